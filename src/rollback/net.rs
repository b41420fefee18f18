//! Compares every row of every system catalog with what it was: what a comparison of modelled objects is checked
//! against, since it sees what no model knows.
//!
//! Rows that are equal to the byte are not looked at, as long as every object that is still there is called what it was
//! called. Of the others, OIDs and attribute numbers become names, and rows are matched by what makes them what they are.

mod identity;

use super::compare::Differences;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::net::{CatalogRows, Net};
use identity::{Identity, Side, Table, field, key_columns};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetDifference {
    /// Catalog, object and column.
    pub text: String,
    /// Names of tables, types, functions, roles, … it is about: where one of them is known to differ, it is explained.
    pub about: BTreeSet<String>,
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetDifferences {
    /// Qualified names of tables in which only the order of columns differs.
    pub column_order: Vec<String>,
    /// Everything else, catalog by catalog.
    pub others: Vec<NetDifference>,
}

impl NetDifferences {
    /// Those that nothing in `explained`, sentences about other comparisons' differences, speaks of.
    pub fn unexplained(&self, explained: &[&str]) -> Vec<String> {
        let told =
            |name: &str| explained.iter().any(|sentence| names(sentence.split(": ").next().unwrap_or_default(), name));
        self.others
            .iter()
            .filter(|found| !found.about.iter().any(|name| told(name)))
            .map(|found| found.text.clone())
            .collect()
    }
}

/// Whether a sentence names this, and not only something whose name begins or ends alike.
fn names(sentence: &str, name: &str) -> bool {
    let inside = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '"' || letter == '$';
    !name.is_empty()
        && sentence.match_indices(name).any(|(at, _)| {
            !sentence[..at].ends_with(|letter| inside(letter) || letter == '.')
                && !sentence[at + name.len()..].starts_with(inside)
        })
}

/// Compares two moments.
pub fn compare(before: &Net, after: &Net) -> NetDifferences {
    let (old, new) = (Side::of(before), Side::of(after));
    let (mut gone, mut come) = (differing(&old, &new), differing(&new, &old));
    if renamed(&old, &gone, &come) {
        gone = everything(&old);
        come = everything(&new);
    }
    let mut found = NetDifferences::default();
    let catalogs: BTreeSet<&str> = old.tables.keys().chain(new.tables.keys()).copied().collect();
    for catalog in catalogs {
        let nothing = Vec::new();
        let read = |side, lines: &BTreeMap<&str, Vec<_>>| read(side, catalog, lines.get(catalog).unwrap_or(&nothing));
        pair(catalog, read(&old, &gone), read(&new, &come), &mut found);
        system(catalog, before, after, &mut found);
    }
    without_large_objects(&old, &new, &mut found);
    without_parts(&mut found);
    found
}

/// Whether every row of every system catalog is the same to the byte, numbers of objects and all; Seatrial's own apart.
pub fn is_same(before: &Net, after: &Net) -> bool {
    let (old, new) = (Side::of(before), Side::of(after));
    let servers = |(catalog, rows): (&String, &CatalogRows)| {
        after.catalogs.get(catalog).is_some_and(|now| now.system == rows.system)
    };
    let own = |side: &Side<'_>, other: &Side<'_>| {
        differing(side, other).iter().all(|(catalog, lines)| {
            let Some(table) = side.tables.get(catalog) else { return lines.is_empty() };
            lines.iter().all(|line| side.row(catalog, table, line).hidden)
        })
    };
    before.classes == after.classes && before.catalogs.iter().all(servers) && own(&old, &new) && own(&new, &old)
}

/// Whether the relations of a schema that was read elsewhere are those there are here, by their names.
pub fn has_relations_of(net: &Net, catalog: &Catalog) -> bool {
    let column = |table: &str, name: &str| {
        let rows = net.catalogs.get(table)?;
        rows.position(name).map(|at| (rows, at))
    };
    let schemas: HashMap<&str, &str> = match (column("pg_namespace", "oid"), column("pg_namespace", "nspname")) {
        (Some((rows, oid)), Some((_, name))) => {
            rows.lines().filter_map(|line| Some((field(line, oid)?, field(line, name)?))).collect()
        }
        _ => return false,
    };
    let (Some((rows, schema)), Some((_, name)), Some((_, kind))) =
        (column("pg_class", "relnamespace"), column("pg_class", "relname"), column("pg_class", "relkind"))
    else {
        return false;
    };
    let here = rows.lines().filter_map(|line| {
        let schema = *schemas.get(field(line, schema)?)?;
        let kind = RelationKind::of(field(line, kind)?.chars().next()?);
        (!identity::is_hidden_schema(schema)).then_some((schema, field(line, name)?, kind))
    });
    let there = catalog.relations.values();
    let there = there.map(|relation| (relation.schema.as_str(), relation.name.as_str(), relation.kind));
    here.collect::<HashSet<_>>() == there.collect::<HashSet<_>>()
}

/// How many large objects there are, and which, is what rows are compared for.
fn without_large_objects(old: &Side<'_>, new: &Side<'_>, found: &mut NetDifferences) {
    let numbers = |side: &Side<'_>| -> BTreeSet<String> {
        let lines = side.tables.get("pg_largeobject_metadata").into_iter().flat_map(|table| table.rows.lines());
        lines.filter_map(|line| field(line, 0)).map(|oid| format!("large object {oid}")).collect()
    };
    let (was, is) = (numbers(old), numbers(new));
    let elsewhere: BTreeSet<&String> = was.symmetric_difference(&is).collect();
    found.others.retain(|found| !found.about.iter().any(|name| elsewhere.contains(name)));
}

type Lines<'n> = BTreeMap<&'n str, Vec<&'n str>>;

fn everything<'n>(side: &Side<'n>) -> Lines<'n> {
    side.tables.iter().map(|(catalog, table)| (*catalog, table.rows.lines().collect())).collect()
}

/// Rows of one side that the other does not have to the byte.
fn differing<'n>(side: &Side<'n>, other: &Side<'_>) -> Lines<'n> {
    let mut found = Lines::new();
    for (catalog, table) in &side.tables {
        let lines: Vec<&str> = match other.tables.get(catalog) {
            Some(others) if others.rows.columns != table.rows.columns => table.rows.lines().collect(),
            Some(others) if others.rows.rows == table.rows.rows => continue,
            // Rows of catalogs without keys may be there more than once.
            Some(others) if !table.has_oid() && key_columns(catalog).is_empty() => {
                let mut there: HashMap<&str, usize> = HashMap::new();
                others.rows.lines().for_each(|line| *there.entry(line).or_default() += 1);
                let mut kept = Vec::new();
                for line in table.rows.lines() {
                    match there.get_mut(line) {
                        Some(left) if *left > 0 => *left -= 1,
                        _ => kept.push(line),
                    }
                }
                kept
            }
            Some(others) => {
                let there: HashSet<&str> = others.rows.lines().collect();
                table.rows.lines().filter(|line| !there.contains(line)).collect()
            }
            None => table.rows.lines().collect(),
        };
        found.insert(catalog, lines);
    }
    found
}

/// Whether an object or a column that is on both sides bears another name: then rows that are equal to the byte may
/// mean something else.
fn renamed(side: &Side<'_>, gone: &Lines<'_>, come: &Lines<'_>) -> bool {
    gone.iter().any(|(catalog, lines)| {
        let (Some(table), Some(others)) = (side.tables.get(catalog), come.get(catalog)) else { return false };
        let known: &[&str] = match *catalog {
            "pg_attribute" => &["attrelid", "attnum"],
            _ if table.has_oid() => &["oid"],
            _ => return false,
        };
        let positions = |names: &[&str]| names.iter().filter_map(|name| table.rows.position(name)).collect::<Vec<_>>();
        let (known, name) = (positions(known), positions(&key_columns(catalog)));
        let values =
            |line: &str, at: &[usize]| at.iter().map(|at| field(line, *at).map(str::to_owned)).collect::<Vec<_>>();
        // Nothing refers to a dropped column: whatever is equal to the byte speaks of others.
        let dropped = table.rows.position("attisdropped");
        let stands = |line: &&&str| dropped.is_none_or(|at| field(line, at) != Some("t"));
        let before: HashMap<_, _> =
            lines.iter().filter(stands).map(|line| (values(line, &known), values(line, &name))).collect();
        others
            .iter()
            .filter(stands)
            .any(|line| before.get(&values(line, &known)).is_some_and(|was| *was != values(line, &name)))
    })
}

/// A row in terms that mean the same in every database.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Fact {
    /// Every column that is not part of the key, in order.
    values: Vec<(String, String)>,
    /// Names it is about.
    about: BTreeSet<String>,
    /// Whether it is the row of a table's column.
    of_table: bool,
}

type Facts = BTreeMap<String, Vec<Fact>>;

fn read<'n>(side: &Side<'n>, catalog: &str, lines: &[&'n str]) -> Facts {
    let mut found = Facts::new();
    let Some(table) = side.tables.get(catalog) else { return found };
    for line in lines {
        let identity = side.row(catalog, table, line);
        if !identity.hidden {
            let values = values(side, catalog, table, line);
            let of_table = catalog == "pg_attribute"
                && matches!(
                    side.of_object("pg_class", number(table, line, "attrelid"), "relkind"),
                    Some("r" | "p" | "f")
                );
            let Identity { text, anchors, .. } = identity;
            found.entry(text).or_default().push(Fact { values, about: anchors, of_table });
        }
    }
    for facts in found.values_mut() {
        facts.sort();
    }
    found
}

fn number(table: &Table<'_>, line: &str, column: &str) -> Oid {
    let at = table.rows.position(column);
    at.and_then(|at| field(line, at)).and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn values<'n>(side: &Side<'n>, catalog: &str, table: &Table<'n>, line: &'n str) -> Vec<(String, String)> {
    let key = key_columns(catalog);
    if key.is_empty() && catalog != "pg_database" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for column in &table.rows.columns {
        let name = column.name.as_str();
        let value = match (catalog, name) {
            (_, "oid") => continue,
            // The name of an array type is whatever was free when it was made; its identity says what it is.
            ("pg_type", "typname") => continue,
            ("pg_enum", "enumsortorder") => side.label_rank(line).to_string(),
            ("pg_attribute", "attnum") => {
                let relation = number(table, line, "attrelid");
                let number = table.value(line, name).and_then(|number| number.parse::<i16>().ok()).unwrap_or_default();
                if number < 0 { number.to_string() } else { side.rank(relation, number).to_string() }
            }
            _ if key.contains(&name) => continue,
            _ => side.resolved(table, line, name, &mut Identity::default()),
        };
        let label = if name == "attnum" { "place" } else { name };
        found.push((label.to_owned(), value));
    }
    found
}

/// Matches rows by what they are called and tells what differs.
fn pair(catalog: &str, mut before: Facts, mut after: Facts, found: &mut NetDifferences) {
    let keys: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    for key in keys {
        let mut old = before.remove(&key).unwrap_or_default();
        let mut new = after.remove(&key).unwrap_or_default();
        old.retain(|fact| match new.iter().position(|other| other.values == fact.values) {
            Some(at) => {
                new.remove(at);
                false
            }
            None => true,
        });
        let paired = old.len().min(new.len());
        for (old, new) in old.iter().zip(&new) {
            differ(catalog, &key, old, new, found);
        }
        for (facts, what) in [(&old, "missing"), (&new, "was not there")] {
            for fact in facts.iter().skip(paired) {
                found
                    .others
                    .push(NetDifference { text: format!("{catalog} {key}: {what}"), about: fact.about.clone() });
            }
        }
    }
}

fn differ(catalog: &str, key: &str, old: &Fact, new: &Fact, found: &mut NetDifferences) {
    for (column, was) in &old.values {
        let Some((_, is)) = new.values.iter().find(|(other, _)| other == column) else { continue };
        if was == is {
            continue;
        }
        if column == "place" && old.of_table {
            found.column_order.extend(
                old.about.iter().filter(|table| !found.column_order.contains(table)).cloned().collect::<Vec<_>>(),
            );
            continue;
        }
        let text = format!("{catalog} {key}: {column} is {} instead of {}", short(is), short(was));
        found.others.push(NetDifference { text, about: old.about.clone() });
    }
}

/// Long texts are cut: that they differ is what counts.
fn short(value: &str) -> String {
    const SHOWN: usize = 120;
    if value.is_empty() {
        return "empty".to_owned();
    }
    let mut shown: String = value.chars().take(SHOWN).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

/// The server's own rows, known by OID: which object it is, and that something about it differs.
fn system(catalog: &str, before: &Net, after: &Net, found: &mut NetDifferences) {
    let (Some(old), Some(new)) = (before.catalogs.get(catalog), after.catalogs.get(catalog)) else { return };
    if old.system == new.system {
        return;
    }
    let (was, is): (HashSet<&str>, HashSet<&str>) = (old.system_lines().collect(), new.system_lines().collect());
    let called = |line: &&str| {
        let (oid, name) = (field(line, 0).unwrap_or_default(), field(line, 1).unwrap_or_default());
        if name.is_empty() { oid.to_owned() } else { format!("{name} ({oid})") }
    };
    let objects: BTreeSet<String> = was.symmetric_difference(&is).map(called).collect();
    for object in objects {
        let text = format!("{catalog} {object}: what the server came with differs");
        found.others.push(NetDifference { text, about: BTreeSet::new() });
    }
}

/// Catalogs of what other rows belong to.
const WHOLE: [&str; 6] = ["pg_class", "pg_type", "pg_proc", "pg_namespace", "pg_authid", "pg_extension"];

/// Takes out what follows from a table, type, function, … being missing or left behind as a whole.
fn without_parts(found: &mut NetDifferences) {
    let itself = |found: &NetDifference| {
        let rest = found.text.strip_suffix(": missing").or_else(|| found.text.strip_suffix(": was not there"))?;
        let (catalog, name) = rest.split_once(' ')?;
        let name = name.split_once('(').map_or(name, |(name, _)| name);
        (WHOLE.contains(&catalog) && found.about.len() == 1).then(|| found.about.get(name).cloned()).flatten()
    };
    let whole: BTreeSet<String> = found.others.iter().filter_map(itself).collect();
    let mut told = BTreeSet::new();
    found.others.retain(|found| match itself(found) {
        Some(name) => told.insert(name),
        None => !found.about.iter().any(|name| whole.contains(name)),
    });
}

/// Puts what the net sees of one comparison beside what the others do: column order with column order, the rest where it
/// is not explained.
pub(super) fn join(net: &NetDifferences, catalog: &mut Differences, schema: &Differences) -> Vec<String> {
    for table in &net.column_order {
        if !catalog.column_order.contains(table) {
            catalog.column_order.push(table.clone());
        }
    }
    let explained: Vec<&str> = catalog.others.iter().chain(&schema.others).map(String::as_str).collect();
    net.unexplained(&explained)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::catalog::Relation;
    use crate::snapshot::net::{FIELD, NULL, NetColumn, ROW, Refers};

    /// A catalog of these columns (`name>catalog` refers) and rows (values separated by `|`, `-` is null).
    fn catalog(columns: &str, rows: &[&str]) -> CatalogRows {
        let column = |column: &str| {
            let (name, refers) = column.split_once('>').unwrap_or((column, ""));
            let refers = if refers.is_empty() { Refers::Nothing } else { Refers::Object(refers.to_owned()) };
            NetColumn { name: name.to_owned(), refers }
        };
        let row = |row: &&str| {
            let values: Vec<&str> = row.split('|').map(|value| if value == "-" { NULL } else { value }).collect();
            values.join(&FIELD.to_string())
        };
        CatalogRows {
            columns: columns.split('|').map(column).collect(),
            rows: rows.iter().map(row).collect::<Vec<_>>().join(&ROW.to_string()).into(),
            system: "".into(),
        }
    }

    /// Two schemas, the second one the proof's own, with these relations and their columns.
    fn net(relations: &[&str], columns: &[&str]) -> Net {
        let mut net = Net::default();
        net.catalogs
            .insert("pg_namespace".to_owned(), catalog("oid|nspname", &["2200|public", "99999|seatrial_backup"]));
        net.catalogs.insert(
            "pg_class".to_owned(),
            catalog("oid|relname|relnamespace>pg_namespace|relkind|reloptions", relations),
        );
        net.catalogs.insert("pg_attribute".to_owned(), catalog("attrelid>pg_class|attname|attnum|attnotnull", columns));
        net
    }

    fn texts(before: &Net, after: &Net) -> Vec<String> {
        compare(before, after).others.into_iter().map(|found| found.text).collect()
    }

    #[test]
    fn the_same_table_under_another_number_is_the_same() {
        let before = net(&["20001|t|2200|r|-"], &["20001|a|1|t", "20001|b|2|f"]);
        let after = net(&["20077|t|2200|r|-"], &["20077|b|5|f", "20077|a|3|t"]);
        assert_eq!(compare(&before, &after), NetDifferences::default());
    }

    #[test]
    fn a_column_no_model_knows_is_named_with_both_values() {
        let before = net(&["20001|t|2200|r|-"], &[]);
        let after = net(&["20001|t|2200|r|strange=1"], &[]);
        assert_eq!(texts(&before, &after), ["pg_class public.t: reloptions is strange=1 instead of null"]);
    }

    #[test]
    fn another_order_of_columns_is_a_class_of_its_own() {
        let before = net(&["20001|t|2200|r|-"], &["20001|a|1|t", "20001|b|2|f"]);
        let after = net(&["20001|t|2200|r|-"], &["20001|a|3|t", "20001|b|2|f"]);
        let found = compare(&before, &after);
        assert_eq!((found.column_order, found.others), (vec!["public.t".to_owned()], Vec::new()));
    }

    #[test]
    fn rows_that_are_equal_to_the_byte_may_mean_another_table() {
        // Two tables exchange their names: their columns' own rows stay as they are.
        let columns = ["20001|a|1|t", "20002|a|1|f"];
        let before = net(&["20001|t|2200|r|-", "20002|u|2200|r|-"], &columns);
        let after = net(&["20001|u|2200|r|-", "20002|t|2200|r|-"], &columns);
        let wanted = ["t: attnotnull is f instead of t", "u: attnotnull is t instead of f"];
        assert_eq!(texts(&before, &after), wanted.map(|text| format!("pg_attribute a on public.{text}")));
    }

    #[test]
    fn what_the_proof_made_itself_does_not_count() {
        let before = net(&[], &[]);
        let after = net(&["20001|saved|99999|r|-"], &["20001|a|1|t"]);
        assert_eq!(compare(&before, &after), NetDifferences::default());
    }

    #[test]
    fn two_moments_are_the_same_where_every_row_is_but_the_proofs_own() {
        let before = net(&["20001|t|2200|r|-", "20002|u|2200|r|-"], &["20001|a|1|t"]);
        let turned = net(&["20002|u|2200|r|-", "20001|t|2200|r|-", "20009|saved|99999|r|-"], &["20001|a|1|t"]);
        assert!(is_same(&before, &turned) && is_same(&turned, &before));
        for other in [
            net(&["20003|t|2200|r|-", "20002|u|2200|r|-"], &["20001|a|1|t"]),
            net(&["20001|t|2200|r|-"], &["20001|a|1|t"]),
            net(&["20001|t|2200|r|-", "20002|u|2200|r|-"], &["20001|a|1|f"]),
            net(&["20001|t|2200|r|-", "20002|u|2200|r|-"], &["20001|a|1|t", "20001|b|2|t"]),
        ] {
            assert!(!is_same(&before, &other) && !is_same(&other, &before), "{other:?}");
        }
        let with = |change: &dyn Fn(&mut Net)| {
            let mut net = before.clone();
            change(&mut net);
            net
        };
        let servers_own = with(&|net| net.catalogs.get_mut("pg_class").expect("there").system = "1259".into());
        let one_less = with(&|net| drop(net.catalogs.remove("pg_attribute")));
        let one_more = with(&|net| drop(net.catalogs.insert("pg_am".to_owned(), catalog("oid|amname", &["9|own"]))));
        for other in [servers_own, one_less, one_more] {
            assert!(!is_same(&before, &other), "{other:?}");
        }
    }

    #[test]
    fn a_schema_read_elsewhere_has_the_relations_of_this_one_by_name_and_kind() {
        let here = net(&["20001|t|2200|r|-", "20002|v|2200|v|-", "20009|saved|99999|r|-"], &[]);
        let schema = |relations: &[(&str, RelationKind)]| {
            let mut catalog = Catalog::default();
            for (oid, (name, kind)) in (7..).zip(relations) {
                let relation = Relation::new(oid, "public", name, *kind);
                catalog.relations.insert(oid, relation);
            }
            catalog
        };
        let (table, view) = (("t", RelationKind::Table), ("v", RelationKind::View));
        assert!(has_relations_of(&here, &schema(&[view, table])));
        for other in [
            vec![table],
            vec![table, view, ("w", RelationKind::View)],
            vec![table, ("v", RelationKind::MaterializedView)],
            vec![("T", RelationKind::Table), view],
        ] {
            assert!(!has_relations_of(&here, &schema(&other)), "{other:?}");
        }
    }

    #[test]
    fn a_missing_table_is_told_without_its_columns() {
        let before = net(&["20001|t|2200|r|-"], &["20001|a|1|t"]);
        assert_eq!(texts(&before, &net(&[], &[])), ["pg_class public.t: missing"]);
    }

    #[test]
    fn only_what_another_comparison_is_about_is_explained() {
        let before = net(&["20001|t|2200|r|-"], &[]);
        let found = compare(&before, &net(&["20001|t|2200|r|x"], &[]));
        assert_eq!(found.unexplained(&["column public.t.a, definition: int instead of bigint"]).len(), 0);
        for other in ["table public.tt, owner: public.t instead of app", "table other.public.t, owner: x instead of y"]
        {
            assert_eq!(found.unexplained(&[other]).len(), 1, "{other}");
        }
    }

    #[test]
    fn a_row_more_than_before_is_seen_where_rows_have_no_key() {
        let with = |rows: &[&str]| {
            let mut net = Net::default();
            net.catalogs.insert("pg_depend".to_owned(), catalog("objid|deptype", rows));
            net
        };
        assert_eq!(texts(&with(&["7|n", "7|n"]), &with(&["7|n", "7|n"])), Vec::<String>::new());
        assert_eq!(texts(&with(&["7|n"]), &with(&["7|n", "7|n"])), ["pg_depend objid 7, deptype n: was not there"]);
    }
}
