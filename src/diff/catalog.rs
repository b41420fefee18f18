//! stub
/// x
#[derive(Debug)]
pub enum CatalogChange {}
/// x
pub fn compare(_: &crate::snapshot::catalog::Catalog, _: &crate::snapshot::catalog::Catalog) -> Vec<CatalogChange> {
    vec![]
}
