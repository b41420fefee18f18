//! What `COMMENT ON` said, of all objects at once: asking for each would cost more than all else about it.

use super::each;
use super::server::Server;
use crate::engine::ServerError;
use crate::snapshot::Oid;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::net::FIRST_NORMAL_OID;
use crate::snapshot::object::{Address, Class};

/// Reads the comments on everything `catalog` holds already.
pub(super) async fn read_comments(server: &mut Server<'_>, catalog: &mut Catalog) -> Result<(), ServerError> {
    // The schema `public` is the server's own by number, and everybody's to comment on.
    let rows = server
        .read(&format!(
            "SELECT classoid::regclass, classoid, objoid, objsubid, description FROM pg_description \
             WHERE objoid >= {FIRST_NORMAL_OID} OR classoid = 'pg_namespace'::regclass"
        ))
        .await?;
    each(rows, |row| {
        let (class, class_oid, oid, column) = (row.text(), row.number()?, row.number()?, row.number()?);
        if let Some(comment) = place(catalog, &class, class_oid, oid, column) {
            *comment = row.optional();
        }
        Ok(())
    })
}

/// Where the comment on an object belongs, if the object is modelled.
fn place<'c>(
    catalog: &'c mut Catalog,
    class: &str,
    class_oid: Oid,
    oid: Oid,
    column: i16,
) -> Option<&'c mut Option<String>> {
    Some(match class {
        "pg_class" if column != 0 => &mut catalog.column_details.get_mut(&(oid, column))?.comment,
        "pg_class" => &mut catalog.relation_details.get_mut(&oid)?.comment,
        "pg_constraint" => &mut catalog.constraint_details.get_mut(&oid)?.comment,
        "pg_namespace" => &mut catalog.schemas.get_mut(&oid)?.comment,
        "pg_type" => &mut catalog.types.get_mut(&oid)?.comment,
        "pg_proc" => &mut catalog.functions.get_mut(&oid)?.comment,
        "pg_trigger" => &mut catalog.triggers.get_mut(&oid)?.comment,
        "pg_rewrite" => &mut catalog.rules.get_mut(&oid)?.comment,
        "pg_policy" => &mut catalog.policies.get_mut(&oid)?.comment,
        _ => &mut catalog.others.get_mut(&Address::new(Class::Other(class_oid), oid))?.comment,
    })
}
