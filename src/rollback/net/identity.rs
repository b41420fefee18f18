//! Names that mean the same in every database, for rows that are known by OIDs.

use crate::engine::postgres::catalog::is_own_schema;
use crate::rollback::names::identifier;
use crate::snapshot::Oid;
use crate::snapshot::net::{CatalogRows, FIELD, FIRST_NORMAL_OID, NULL, Net, NetColumn, Refers};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// What makes a row of a catalog the row it is.
pub(super) enum Key {
    /// Schema, name, and what else tells namesakes apart.
    Qualified(&'static str, &'static str, &'static [&'static str]),
    /// A name on whichever of these is not 0.
    On(&'static str, &'static [&'static str]),
    /// These columns.
    Plain(&'static [&'static str]),
    /// The row itself: several may be equal.
    Whole,
}

/// The key of each catalog. One nobody knows here is compared by whole rows.
pub(super) fn key(catalog: &str) -> Key {
    use Key::{On, Plain, Qualified, Whole};
    match catalog {
        "pg_class" => Qualified("relnamespace", "relname", &[]),
        "pg_type" => Qualified("typnamespace", "typname", &[]),
        "pg_proc" => Qualified("pronamespace", "proname", &["proargtypes"]),
        "pg_operator" => Qualified("oprnamespace", "oprname", &["oprleft", "oprright"]),
        "pg_opclass" => Qualified("opcnamespace", "opcname", &["opcmethod"]),
        "pg_opfamily" => Qualified("opfnamespace", "opfname", &["opfmethod"]),
        "pg_collation" => Qualified("collnamespace", "collname", &["collencoding"]),
        "pg_conversion" => Qualified("connamespace", "conname", &[]),
        "pg_ts_config" => Qualified("cfgnamespace", "cfgname", &[]),
        "pg_ts_dict" => Qualified("dictnamespace", "dictname", &[]),
        "pg_ts_parser" => Qualified("prsnamespace", "prsname", &[]),
        "pg_ts_template" => Qualified("tmplnamespace", "tmplname", &[]),
        "pg_statistic_ext" => Qualified("stxnamespace", "stxname", &[]),
        "pg_constraint" => On("conname", &["conrelid", "contypid"]),
        "pg_trigger" => On("tgname", &["tgrelid"]),
        "pg_rewrite" => On("rulename", &["ev_class"]),
        "pg_policy" => On("polname", &["polrelid"]),
        "pg_attrdef" => On("adnum", &["adrelid"]),
        "pg_attribute" => On("attname", &["attrelid"]),
        "pg_enum" => On("enumlabel", &["enumtypid"]),
        "pg_namespace" => Plain(&["nspname"]),
        "pg_am" => Plain(&["amname"]),
        "pg_language" => Plain(&["lanname"]),
        "pg_extension" => Plain(&["extname"]),
        "pg_authid" => Plain(&["rolname"]),
        "pg_tablespace" => Plain(&["spcname"]),
        "pg_event_trigger" => Plain(&["evtname"]),
        "pg_foreign_data_wrapper" => Plain(&["fdwname"]),
        "pg_foreign_server" => Plain(&["srvname"]),
        "pg_publication" => Plain(&["pubname"]),
        "pg_subscription" => Plain(&["subname"]),
        "pg_parameter_acl" => Plain(&["parname"]),
        "pg_replication_origin" => Plain(&["roname"]),
        // One alone is read.
        "pg_database" => Plain(&[]),
        "pg_amop" => Plain(&["amopfamily", "amoplefttype", "amoprighttype", "amopstrategy", "amoppurpose"]),
        "pg_amproc" => Plain(&["amprocfamily", "amproclefttype", "amprocrighttype", "amprocnum"]),
        "pg_cast" => Plain(&["castsource", "casttarget"]),
        "pg_transform" => Plain(&["trftype", "trflang"]),
        "pg_user_mapping" => Plain(&["umuser", "umserver"]),
        "pg_default_acl" => Plain(&["defaclrole", "defaclnamespace", "defaclobjtype"]),
        "pg_publication_rel" => Plain(&["prpubid", "prrelid"]),
        "pg_publication_namespace" => Plain(&["pnpubid", "pnnspid"]),
        "pg_subscription_rel" => Plain(&["srsubid", "srrelid"]),
        "pg_largeobject_metadata" => Plain(&["oid"]),
        "pg_auth_members" => Plain(&["roleid", "member"]),
        "pg_db_role_setting" => Plain(&["setdatabase", "setrole"]),
        "pg_description" | "pg_init_privs" => Plain(&["objoid", "classoid", "objsubid"]),
        "pg_shdescription" => Plain(&["objoid", "classoid"]),
        "pg_seclabel" => Plain(&["objoid", "classoid", "objsubid", "provider"]),
        "pg_shseclabel" => Plain(&["objoid", "classoid", "provider"]),
        "pg_aggregate" => Plain(&["aggfnoid"]),
        "pg_foreign_table" => Plain(&["ftrelid"]),
        "pg_index" => Plain(&["indexrelid"]),
        "pg_inherits" => Plain(&["inhrelid", "inhseqno"]),
        "pg_partitioned_table" => Plain(&["partrelid"]),
        "pg_range" => Plain(&["rngtypid"]),
        "pg_sequence" => Plain(&["seqrelid"]),
        "pg_ts_config_map" => Plain(&["mapcfg", "maptokentype", "mapseqno"]),
        _ => Whole,
    }
}

/// Columns of a key, none where it is the whole row.
pub(super) fn key_columns(catalog: &str) -> Vec<&'static str> {
    match key(catalog) {
        Key::Qualified(schema, name, others) => [&[schema, name], others].concat(),
        Key::On(name, parents) => [&[name], parents].concat(),
        Key::Plain(columns) => columns.to_vec(),
        Key::Whole => Vec::new(),
    }
}

/// What a row or an object is called.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity {
    /// The same in every database where it is the same thing.
    pub text: String,
    /// Names of tables, types, functions, … that it is or is part of.
    pub anchors: BTreeSet<String>,
    /// Seatrial's own, or a session's temporary one.
    pub hidden: bool,
}

/// One catalog, its rows by OID.
pub(super) struct Table<'n> {
    pub rows: &'n CatalogRows,
    /// Made when somebody asks: of most catalogs nothing differs.
    by_oid: OnceCell<HashMap<Oid, &'n str>>,
    /// Names of the server's own, made when somebody asks: most of these rows are of catalogs nobody refers to.
    servers: OnceCell<HashMap<Oid, &'n str>>,
}

impl<'n> Table<'n> {
    /// A value of one of its rows; `None` for null and for a column this server does not have.
    pub fn value(&self, line: &'n str, column: &str) -> Option<&'n str> {
        field(line, self.rows.position(column)?)
    }

    /// The row of an object; none where objects have no OIDs.
    fn line(&self, oid: Oid) -> Option<&'n str> {
        let lines = self.by_oid.get_or_init(|| {
            if !self.has_oid() {
                return HashMap::new();
            }
            self.rows.lines().filter_map(|line| Some((field(line, 0)?.parse().ok()?, line))).collect()
        });
        lines.get(&oid).copied()
    }

    /// The name of one of the server's own, where it has one.
    fn servers(&self, oid: Oid) -> Option<&'n str> {
        let names = self.servers.get_or_init(|| {
            let named = |line| Some((field(line, 0)?.parse().ok()?, field(line, 1)?));
            self.rows.system_lines().filter_map(named).collect()
        });
        names.get(&oid).copied()
    }

    /// Whether objects have OIDs here.
    pub fn has_oid(&self) -> bool {
        self.rows.columns.first().is_some_and(|column| column.name == "oid")
    }
}

/// A value by position; `None` for null.
pub(super) fn field(line: &str, position: usize) -> Option<&str> {
    line.split(FIELD).nth(position).filter(|value| *value != NULL)
}

/// Catalogs of one moment, with what OIDs in them stand for.
pub(super) struct Side<'n> {
    net: &'n Net,
    pub tables: BTreeMap<&'n str, Table<'n>>,
    attributes: OnceCell<HashMap<Oid, Vec<(i16, &'n str)>>>,
    known: RefCell<HashMap<(String, Oid), Rc<Identity>>>,
}

impl<'n> Side<'n> {
    pub fn of(net: &'n Net) -> Self {
        let table = |rows| Table { rows, by_oid: OnceCell::new(), servers: OnceCell::new() };
        let tables = net.catalogs.iter().map(|(name, rows)| (name.as_str(), table(rows))).collect();
        Self { net, tables, attributes: OnceCell::new(), known: RefCell::new(HashMap::new()) }
    }

    /// Live columns of a relation, in order.
    fn attributes(&self, relation: Oid) -> &[(i16, &'n str)] {
        let all = self.attributes.get_or_init(|| {
            let mut attributes: HashMap<Oid, Vec<(i16, &str)>> = HashMap::new();
            if let Some(rows) = self.net.catalogs.get("pg_attribute")
                && let (Some(relation), Some(number), Some(name)) =
                    (rows.position("attrelid"), rows.position("attnum"), rows.position("attname"))
            {
                for line in rows.lines() {
                    let parse = |at: usize| field(line, at)?.parse().ok();
                    if let (Some(relation), Some(number), Some(name)) =
                        (parse(relation), field(line, number).and_then(|number| number.parse().ok()), field(line, name))
                    {
                        attributes.entry(relation).or_default().push((number, name));
                    }
                }
                attributes.values_mut().for_each(|columns| columns.sort_unstable());
            }
            attributes
        });
        all.get(&relation).map_or(&[], Vec::as_slice)
    }

    /// The row of an object.
    pub fn line(&self, catalog: &str, oid: Oid) -> Option<&'n str> {
        self.tables.get(catalog)?.line(oid)
    }

    /// A value of the row of an object.
    pub fn of_object(&self, catalog: &str, oid: Oid, column: &str) -> Option<&'n str> {
        self.tables.get(catalog)?.value(self.line(catalog, oid)?, column)
    }

    /// Place of a column among the live ones of its relation, from 1.
    pub fn rank(&self, relation: Oid, number: i16) -> usize {
        1 + self.attributes(relation).iter().filter(|(other, _)| *other > 0 && *other < number).count()
    }

    /// Place of a label among those of its type, from 1.
    pub fn label_rank(&self, label: &'n str) -> usize {
        let Some(table) = self.tables.get("pg_enum") else { return 0 };
        let place = |line| table.value(line, "enumsortorder").and_then(|order| order.parse::<f64>().ok());
        let (of, own) = (table.value(label, "enumtypid"), place(label));
        1 + table.rows.lines().filter(|line| table.value(line, "enumtypid") == of && place(line) < own).count()
    }

    /// A column's name; its number where nobody knows it.
    fn column(&self, relation: Oid, number: &str) -> String {
        let found = number.parse::<i16>().ok().and_then(|number| {
            self.attributes(relation).iter().find(|(other, _)| *other == number).map(|(_, name)| *name)
        });
        found.map_or_else(|| number.to_owned(), identifier)
    }

    /// What an object is called.
    pub fn object(&self, catalog: &str, oid: Oid) -> Rc<Identity> {
        if let Some(known) = self.known.borrow().get(&(catalog.to_owned(), oid)) {
            return Rc::clone(known);
        }
        let found = Rc::new(match self.tables.get(catalog).zip(self.line(catalog, oid)) {
            Some((table, line)) => self.row(catalog, table, line),
            None => self.unread(catalog, oid),
        });
        self.known.borrow_mut().insert((catalog.to_owned(), oid), Rc::clone(&found));
        found
    }

    /// One of the server's own, whose OIDs are the same everywhere; or none.
    fn unread(&self, catalog: &str, oid: Oid) -> Identity {
        let name = self.tables.get(catalog).and_then(|table| table.servers(oid)).or_else(|| match catalog {
            "pg_class" => self.net.classes.get(&oid).map(String::as_str),
            _ => None,
        });
        let text = match name {
            Some(name) if !name.is_empty() => format!("{name} ({oid})"),
            _ if oid < FIRST_NORMAL_OID => format!("{catalog} {oid}"),
            // Another database's: its own row is not read.
            _ if catalog == "pg_database" => "another database".to_owned(),
            _ => format!("{catalog} {oid}, which is not there"),
        };
        Identity { text, ..Identity::default() }
    }

    /// What a row is called.
    pub fn row(&self, catalog: &str, table: &Table<'n>, line: &'n str) -> Identity {
        let value = |column: &str| table.value(line, column);
        let number = |column: &str| value(column).and_then(|value| value.parse::<Oid>().ok());
        if catalog == "pg_type"
            && let Some(element) = number("typelem").filter(|element| *element != 0)
            && self.of_object("pg_type", element, "typarray") == value("oid")
        {
            let mut identity = Identity::clone(&self.object("pg_type", element));
            identity.text.push_str("[]");
            return identity;
        }
        if catalog == "pg_attribute" && self.is_index(number("attrelid").unwrap_or_default()) {
            // Named once when the index was made, whatever becomes of the column's name.
            let index = self.object("pg_class", number("attrelid").unwrap_or_default());
            let text = format!("column {} of {}", value("attnum").unwrap_or_default(), index.text);
            return Identity { text, ..Identity::clone(&index) };
        }
        if catalog == "pg_trigger" && value("tgisinternal") == Some("t") {
            let mut parts = Identity::default();
            let function = self.resolved(table, line, "tgfoid", &mut parts);
            let constraint = self.resolved(table, line, "tgconstraint", &mut parts);
            let on = self.resolved(table, line, "tgrelid", &mut parts);
            let kind = value("tgtype").unwrap_or_default();
            return Identity { text: format!("trigger {function} {kind} of {constraint} on {on}"), ..parts };
        }
        if catalog == "pg_database" {
            let text = "this database".to_owned();
            return Identity { anchors: BTreeSet::from([text.clone()]), text, hidden: false };
        }
        if catalog == "pg_largeobject_metadata" {
            let text = format!("large object {}", value("oid").unwrap_or_default());
            return Identity { anchors: BTreeSet::from([text.clone()]), text, hidden: false };
        }
        let mut identity = Identity::default();
        if catalog == "pg_db_role_setting" && number("setrole") == Some(0) {
            identity.anchors.insert("everybody".to_owned());
        }
        identity.text = match key(catalog) {
            Key::Qualified(schema, name, others) => {
                let schema = self.resolved(table, line, schema, &mut identity);
                let name = value(name).unwrap_or_default();
                let plain = format!("{schema}.{}", identifier(name));
                identity.anchors = BTreeSet::from([plain.clone()]);
                if others.is_empty() {
                    plain
                } else {
                    let others: Vec<String> = others
                        .iter()
                        .map(|other| self.resolved(table, line, other, &mut Identity::default()))
                        .collect();
                    format!("{plain}({})", others.join(", "))
                }
            }
            Key::On(name, parents) => {
                let on: Vec<String> = parents
                    .iter()
                    .filter(|parent| number(parent).is_some_and(|oid| oid != 0))
                    .map(|parent| self.resolved(table, line, parent, &mut identity))
                    .collect();
                let name = self.resolved(table, line, name, &mut Identity::default());
                format!("{name} on {}", on.join(", "))
            }
            Key::Plain(columns) => {
                let named = columns.len() == 1 && columns[0].ends_with("name");
                let values: Vec<String> =
                    columns.iter().map(|column| self.resolved(table, line, column, &mut identity)).collect();
                if named {
                    let name = value(columns[0]).unwrap_or_default();
                    identity.anchors = BTreeSet::from([identifier(name)]);
                    identity.hidden = catalog == "pg_namespace" && is_hidden_schema(name);
                    identifier(name)
                } else {
                    values.join(", ")
                }
            }
            Key::Whole => {
                let columns = table.rows.columns.iter().filter(|column| column.name != "oid");
                let values: Vec<String> = columns
                    .map(|column| {
                        format!("{} {}", column.name, self.resolved(table, line, &column.name, &mut identity))
                    })
                    .collect();
                values.join(", ")
            }
        };
        identity
    }

    /// Whether a relation is an index.
    pub fn is_index(&self, relation: Oid) -> bool {
        matches!(self.of_object("pg_class", relation, "relkind"), Some("i" | "I"))
    }

    /// A value with names instead of OIDs and attribute numbers. Objects it names lend their anchors to `within`, and
    /// hide it where they are hidden.
    pub fn resolved(&self, table: &Table<'n>, line: &'n str, column: &str, within: &mut Identity) -> String {
        let Some(found) = table.rows.columns.iter().find(|found| found.name == column) else { return String::new() };
        let Some(value) = table.value(line, column) else { return "null".to_owned() };
        self.value(table, line, found, value, within)
    }

    fn value(
        &self,
        table: &Table<'n>,
        line: &'n str,
        column: &NetColumn,
        value: &'n str,
        within: &mut Identity,
    ) -> String {
        let number = |column: &str| table.value(line, column).and_then(|value| value.parse::<Oid>().ok());
        let mut object = |catalog: &str, value: &str| match value.parse::<Oid>() {
            Ok(0) => "none".to_owned(),
            Ok(oid) => {
                let found = self.object(catalog, oid);
                within.hidden |= found.hidden;
                within.anchors.extend(found.anchors.iter().cloned());
                found.text.clone()
            }
            Err(_) => value.to_owned(),
        };
        match &column.refers {
            Refers::Nothing => value.to_owned(),
            Refers::Object(catalog) => object(catalog, value),
            Refers::Objects(catalog) => {
                let objects = elements(value).map(|value| object(catalog, value)).collect();
                in_order(&column.name, objects, false)
            }
            Refers::Columns(relation) => {
                let relation = number(relation).unwrap_or_default();
                let columns = elements(value)
                    .map(|value| if value == "0" { "expression".to_owned() } else { self.column(relation, value) })
                    .collect();
                in_order(&column.name, columns, table.value(line, "contype") == Some("c"))
            }
            Refers::ByClass(class) => match number(class).and_then(|class| self.net.classes.get(&class)) {
                // Large objects are known by the catalog of their data.
                Some(class) if class == "pg_largeobject" => {
                    let text = format!("large object {value}");
                    within.anchors.insert(text.clone());
                    text
                }
                Some(class) => object(class, value),
                None => value.to_owned(),
            },
            Refers::SubColumn(class, of) => {
                let class = number(class).and_then(|class| self.net.classes.get(&class)).map(String::as_str);
                match number(of) {
                    Some(of) if class == Some("pg_class") && value != "0" && !self.is_index(of) => {
                        self.column(of, value)
                    }
                    _ => value.to_owned(),
                }
            }
        }
    }
}

/// Whether a schema is no part of what is compared.
pub(super) fn is_hidden_schema(name: &str) -> bool {
    is_own_schema(name) || name.starts_with("pg_temp_") || name.starts_with("pg_toast_temp_")
}

/// Elements of an array or a vector of numbers.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    value.split(['{', '}', ',', ' ']).filter(|element| !element.is_empty())
}

/// Lists in the order of attribute numbers or OIDs mean the same in any order.
fn in_order(column: &str, mut elements: Vec<String>, unordered: bool) -> String {
    if unordered || ["stxkeys", "prattrs", "tgattr", "polroles", "confdelsetcols"].contains(&column) {
        elements.sort();
    }
    elements.join(", ")
}
