//! Tags of a page, read more strictly than a browser does.

/// One tag: its name, whether it closes, and its attributes.
pub struct Tag<'t> {
    pub name: &'t str,
    pub closes: bool,
    pub attributes: Vec<(&'t str, &'t str)>,
}

/// Every tag, in order. Stricter than a browser: attributes are in double quotes or have no value, and whatever stands
/// between tags holds no `<` and no `>`.
pub fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    while let Some(at) = rest.find(['<', '>']) {
        let inside = rest[at..].strip_prefix('<').unwrap_or_else(|| panic!("a > in text: {:.80}", &rest[at..]));
        let (closes, inside) = match inside.strip_prefix('/') {
            Some(inside) => (true, inside),
            None => (false, inside),
        };
        let end = inside.find(|c: char| !c.is_ascii_alphanumeric()).expect("an end");
        let name = &inside[..end];
        assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "no name of a tag: {:.80}", inside);
        let mut inside = &inside[end..];
        let mut attributes = Vec::new();
        loop {
            inside = inside.trim_start();
            if let Some(after) = inside.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = inside.find(['=', '>', ' ', '\n']).expect("an attribute");
            let attribute = &inside[..end];
            assert!(
                !attribute.is_empty() && attribute.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
                "{inside:.80}"
            );
            inside = &inside[end..];
            let value = match inside.strip_prefix("=\"") {
                Some(quoted) => {
                    let end = quoted.find('"').expect("a closed value");
                    inside = &quoted[end + 1..];
                    assert!(inside.starts_with([' ', '>', '\n']), "{inside:.80}");
                    &quoted[..end]
                }
                None => {
                    assert!(!inside.starts_with('='), "no quotes: {inside:.80}");
                    ""
                }
            };
            assert!(!value.contains(['<', '>']), "{value:.80}");
            attributes.push((attribute, value));
        }
        // These two hold no markup, whatever is in them.
        if !closes && (name == "style" || name == "script") {
            rest = &rest[rest.find(&format!("</{name}>")).expect("its end")..];
        }
        tags.push(Tag { name, closes, attributes });
    }
    tags
}
