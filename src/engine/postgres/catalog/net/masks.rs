//! What of the system catalogs is left out or read in another form, and why. Whatever is not named here is compared.

use crate::engine::postgres::catalog::COLUMN_OPTION;
use crate::snapshot::net::Refers;

/// Catalogs that hold data or statistics: rows are compared elsewhere, statistics are no part of a schema.
pub(super) const LEFT_OUT: [&str; 3] = ["pg_statistic", "pg_statistic_ext_data", "pg_largeobject"];

/// How a column is read.
pub(super) enum Form {
    /// Not at all.
    LeftOut,
    /// As the server prints it.
    AsIs,
    /// By this expression over the row `x`.
    Read(String),
    /// By this expression, which means something else than the column and has another name.
    ReadAs(&'static str, String),
}

/// Columns that differ between equal databases.
const VOLATILE: [(&str, &str); 24] = [
    // Counts dropped columns, which never go away.
    ("pg_class", "relnatts"),
    // A new file with each rewrite.
    ("pg_class", "relfilenode"),
    ("pg_class", "relrewrite"),
    // Counters of transactions.
    ("pg_class", "relfrozenxid"),
    ("pg_class", "relminmxid"),
    ("pg_database", "datfrozenxid"),
    ("pg_database", "datminmxid"),
    // Sizes, set by VACUUM, ANALYZE and the making of indexes.
    ("pg_class", "relpages"),
    ("pg_class", "reltuples"),
    ("pg_class", "relallvisible"),
    ("pg_class", "relallfrozen"),
    // Hints that only VACUUM takes back; the indexes, triggers, rules and children themselves are compared.
    ("pg_class", "relhasindex"),
    ("pg_class", "relhastriggers"),
    ("pg_class", "relhasrules"),
    ("pg_class", "relhassubclass"),
    // Physical: values of rows that were there before their column. Rows are compared elsewhere.
    ("pg_attribute", "atthasmissing"),
    ("pg_attribute", "attmissingval"),
    ("pg_attribute", "attcacheoff"),
    // Not enforced, printed by nothing: int[][] is int[].
    ("pg_attribute", "attndims"),
    // Only live columns are read.
    ("pg_attribute", "attisdropped"),
    // Whether old row versions were in the way when the index was built.
    ("pg_index", "indcheckxmin"),
    // A copy bears another name.
    ("pg_database", "datname"),
    // Part of what `ev_action` is read as.
    ("pg_rewrite", "ev_qual"),
    ("pg_subscription", "subskiplsn"),
];

/// Expression trees, each with what the server makes text of them: as stored they hold OIDs and positions in text.
const TREES: [(&str, &str, &str); 16] = [
    ("pg_attrdef", "adbin", "pg_get_expr(x.adbin, x.adrelid)"),
    ("pg_class", "relpartbound", "pg_get_expr(x.relpartbound, x.oid)"),
    ("pg_constraint", "conbin", "pg_get_expr(x.conbin, x.conrelid)"),
    ("pg_index", "indexprs", "pg_get_expr(x.indexprs, x.indrelid)"),
    ("pg_index", "indpred", "pg_get_expr(x.indpred, x.indrelid)"),
    ("pg_partitioned_table", "partexprs", "pg_get_expr(x.partexprs, x.partrelid)"),
    ("pg_policy", "polqual", "pg_get_expr(x.polqual, x.polrelid)"),
    ("pg_policy", "polwithcheck", "pg_get_expr(x.polwithcheck, x.polrelid)"),
    ("pg_proc", "proargdefaults", "pg_get_expr(x.proargdefaults, 0)"),
    ("pg_proc", "prosqlbody", "CASE WHEN x.prosqlbody IS NOT NULL THEN pg_get_function_sqlbody(x.oid) END"),
    ("pg_publication_rel", "prqual", "pg_get_expr(x.prqual, x.prrelid)"),
    ("pg_rewrite", "ev_action", "pg_get_ruledef(x.oid)"),
    ("pg_statistic_ext", "stxexprs", "pg_get_expr(x.stxexprs, x.stxrelid)"),
    ("pg_trigger", "tgqual", "CASE WHEN x.tgqual IS NOT NULL THEN pg_get_triggerdef(x.oid) END"),
    ("pg_type", "typdefaultbin", "pg_get_expr(x.typdefaultbin, 0)"),
    ("pg_type", "typdefault", "CASE WHEN x.typdefaultbin IS NULL THEN x.typdefault END"),
];

/// Privileges: what `acldefault` calls the kind of object, and its owner. Null means the default, and is the same as the
/// default spelled out.
const PRIVILEGES: [(&str, &str, &str, &str); 13] = [
    ("pg_attribute", "attacl", "", ""),
    ("pg_class", "relacl", "CASE x.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\"", "relowner"),
    ("pg_database", "datacl", "'d'", "datdba"),
    ("pg_foreign_data_wrapper", "fdwacl", "'F'", "fdwowner"),
    ("pg_foreign_server", "srvacl", "'S'", "srvowner"),
    ("pg_language", "lanacl", "'l'", "lanowner"),
    ("pg_largeobject_metadata", "lomacl", "'L'", "lomowner"),
    ("pg_namespace", "nspacl", "'n'", "nspowner"),
    ("pg_proc", "proacl", "'f'", "proowner"),
    ("pg_tablespace", "spcacl", "'t'", "spcowner"),
    ("pg_type", "typacl", "'T'", "typowner"),
    ("pg_default_acl", "defaclacl", "", ""),
    ("pg_init_privs", "initprivs", "", ""),
];

/// Options that may hold passwords: they are compared by digest alone.
const SECRETS: [(&str, &str); 4] = [
    ("pg_foreign_server", "srvoptions"),
    ("pg_foreign_data_wrapper", "fdwoptions"),
    ("pg_subscription", "subconninfo"),
    ("pg_user_mapping", "umoptions"),
];

/// Lists whose order means nothing.
const UNORDERED: [(&str, &str); 4] = [
    ("pg_foreign_table", "ftoptions"),
    ("pg_class", "reloptions"),
    ("pg_attribute", "attfdwoptions"),
    ("pg_db_role_setting", "setconfig"),
];

/// How a column is read.
pub(super) fn form(catalog: &str, column: &str, type_name: &str) -> Form {
    let named = |list: &[(&str, &str)]| list.contains(&(catalog, column));
    if named(&VOLATILE) {
        return Form::LeftOut;
    }
    if let Some((_, _, expression)) = TREES.iter().find(|(table, name, _)| (*table, *name) == (catalog, column)) {
        return Form::Read((*expression).to_owned());
    }
    if let Some((_, _, kind, owner)) = PRIVILEGES.iter().find(|(table, name, ..)| (*table, *name) == (catalog, column))
    {
        let sorted = |list: &str| format!("(SELECT string_agg(a::text, ', ' ORDER BY a::text) FROM unnest({list}) a)");
        let own = sorted(&format!("x.{column}"));
        return Form::Read(if kind.is_empty() {
            format!("CASE WHEN x.{column} IS NOT NULL THEN {own} END")
        } else {
            let default = sorted(&format!("acldefault({kind}, x.{owner})"));
            format!("CASE WHEN x.{column} IS NOT NULL THEN nullif({own}, {default}) END")
        });
    }
    if named(&SECRETS) {
        let sorted = "(SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(";
        return Form::Read(match type_name {
            "_text" => format!("CASE WHEN x.{column} IS NOT NULL THEN md5({sorted}x.{column}) o)) END"),
            _ => format!("md5(x.{column}::text)"),
        });
    }
    if named(&UNORDERED) {
        return Form::Read(format!(
            "CASE WHEN x.{column} IS NOT NULL THEN (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(x.{column}) o) END"
        ));
    }
    match (catalog, column) {
        ("pg_attribute", "attoptions") => Form::Read(format!(
            "(SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(x.attoptions) o WHERE {COLUMN_OPTION})"
        )),
        // A TOAST table stays after its last column is dropped; its own options are the table's.
        ("pg_class", "reltoastrelid") => Form::ReadAs(
            "toast options",
            "CASE WHEN x.reltoastrelid <> 0 THEN (SELECT string_agg(o, ', ' ORDER BY o) FROM pg_class t, unnest(t.reloptions) o \
             WHERE t.oid = x.reltoastrelid) END"
                .to_owned(),
        ),
        // Made of an OID: which trigger it is follows from its constraint, table and function.
        ("pg_trigger", "tgname") => Form::Read("CASE WHEN x.tgisinternal THEN '' ELSE x.tgname END".to_owned()),
        // Means something for what children inherit alone; a partition's key has it or not by the way it was attached.
        ("pg_constraint", "connoinherit") => {
            Form::Read("CASE WHEN x.contype IN ('c', 'n') THEN x.connoinherit END".to_owned())
        }
        // One for any encoding and one for the database's own are good for the same.
        ("pg_collation", "collencoding") => Form::Read(
            "coalesce(nullif(x.collencoding, (SELECT d.encoding FROM pg_database d WHERE d.datname = current_database())), -1)"
                .to_owned(),
        ),
        // The salt is drawn anew each time.
        ("pg_authid", "rolpassword") => {
            Form::Read("CASE WHEN x.rolpassword LIKE 'SCRAM%' THEN 'SCRAM-SHA-256' ELSE left(x.rolpassword, 3) END".to_owned())
        }
        _ => match type_name {
            // A function's name alone does not tell overloads apart.
            name if name.starts_with("reg") => Form::Read(format!("x.{column}::oid")),
            "text" | "_text" | "pg_node_tree" => Form::Read(free_text(&format!("x.{column}::text"))),
            _ => Form::AsIs,
        },
    }
}

/// Text that people wrote may hold what separates values.
fn free_text(expression: &str) -> String {
    format!("translate({expression}, E'\\x1d\\x1e\\x1f', E'\\x01\\x02\\x03')")
}

/// Columns by which the server's own rows of a catalog are known, where there are many: below
/// [`FIRST_NORMAL_OID`](crate::snapshot::net::FIRST_NORMAL_OID) in all of them. Empty where all rows are read in full.
pub(super) fn own_rows(catalog: &str) -> &'static [&'static str] {
    match catalog {
        "pg_depend" => &["objid", "refobjid"],
        "pg_attribute" => &["attrelid"],
        "pg_index" => &["indexrelid"],
        "pg_aggregate" => &["aggfnoid"],
        "pg_description" | "pg_init_privs" => &["objoid"],
        "pg_range" => &["rngtypid"],
        "pg_ts_config_map" => &["mapcfg"],
        "pg_amop" | "pg_amproc" | "pg_cast" | "pg_class" | "pg_collation" | "pg_constraint" | "pg_conversion"
        | "pg_opclass" | "pg_operator" | "pg_opfamily" | "pg_proc" | "pg_rewrite" | "pg_ts_config" | "pg_ts_dict"
        | "pg_type" => &["oid"],
        _ => &[],
    }
}

/// Catalogs of what all databases share. On a server of others they change while a migration runs, which may not change them
/// itself: its role neither makes roles nor has options to give memberships on.
pub(super) const OF_THE_SERVER: [&str; 5] =
    ["pg_authid", "pg_auth_members", "pg_tablespace", "pg_parameter_acl", "pg_replication_origin"];

/// Which rows of a catalog count on a server of others: of what all databases share, those of this one.
pub(super) fn only_of_this_database(catalog: &str) -> Option<String> {
    let database = "(SELECT d.oid FROM pg_database d WHERE d.datname = current_database())";
    match catalog {
        "pg_db_role_setting" => Some(format!("x.setdatabase = {database}")),
        "pg_shdepend" => Some(format!("x.dbid = {database}")),
        "pg_shdescription" | "pg_shseclabel" => {
            Some(format!("x.classoid = 'pg_database'::regclass AND x.objoid = {database}"))
        }
        _ => only(catalog).map(str::to_owned),
    }
}

/// Which rows of a catalog count.
pub(super) fn only(catalog: &str) -> Option<&'static str> {
    /// TOAST tables and their indexes come and go with what tables hold.
    macro_rules! toast {
        () => {
            "(SELECT t.oid FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname ~ '^pg_toast')"
        };
    }
    macro_rules! toast_types {
        () => {
            "(SELECT t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname ~ '^pg_toast')"
        };
    }
    macro_rules! this_database {
        () => {
            "(SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
        };
    }
    // One for each partition of a referenced table, made with the foreign key and named by the server as it likes.
    macro_rules! clones {
        () => {
            "(SELECT c.oid FROM pg_constraint c JOIN pg_constraint p ON p.oid = c.conparentid \
             WHERE c.contype = 'f' AND c.conrelid = p.conrelid)"
        };
    }
    Some(match catalog {
        "pg_constraint" => concat!("x.oid NOT IN ", clones!()),
        "pg_trigger" => concat!("NOT (x.tgisinternal AND x.tgconstraint IN ", clones!(), ")"),
        "pg_class" => "x.relnamespace NOT IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname ~ '^pg_toast')",
        // The columns every table has are not its own, unless somebody was given rights to one.
        "pg_attribute" => {
            concat!("NOT x.attisdropped AND (x.attnum > 0 OR x.attacl IS NOT NULL) AND x.attrelid NOT IN ", toast!())
        }
        "pg_index" => concat!("x.indexrelid NOT IN ", toast!()),
        // Before 14 a TOAST table has a row type.
        "pg_type" => concat!("x.oid NOT IN ", toast_types!()),
        // After DETACH and ATTACH the triggers of a foreign key have more of these rows, and do the same.
        "pg_depend" => concat!(
            "NOT (x.classid = 'pg_class'::regclass AND x.objid IN ",
            toast!(),
            ") AND NOT (x.classid = 'pg_type'::regclass AND x.objid IN ",
            toast_types!(),
            ") AND NOT (x.deptype IN ('P', 'S') AND x.classid = 'pg_trigger'::regclass \
             AND x.objid IN (SELECT t.oid FROM pg_trigger t WHERE t.tgisinternal)) \
             AND NOT (x.classid = 'pg_trigger'::regclass AND x.objid IN (SELECT t.oid FROM pg_trigger t \
             WHERE t.tgisinternal AND t.tgconstraint IN ",
            clones!(),
            ")) AND NOT (x.classid = 'pg_constraint'::regclass AND x.objid IN ",
            clones!(),
            ") AND NOT (x.refclassid = 'pg_constraint'::regclass AND x.refobjid IN ",
            clones!(),
            ")"
        ),
        "pg_database" => "x.datname = current_database()",
        "pg_db_role_setting" => concat!("x.setdatabase IN (0, ", this_database!(), ")"),
        "pg_shdepend" => concat!("x.dbid IN (0, ", this_database!(), ")"),
        "pg_shdescription" | "pg_shseclabel" => {
            concat!("(x.classoid <> 'pg_database'::regclass OR x.objoid = ", this_database!(), ")")
        }
        // A subscription's own origin is named after its OID.
        "pg_replication_origin" => "x.roname !~ '^pg_[0-9]+$'",
        _ => return None,
    })
}

/// References the server does not declare as keys.
pub(super) fn undeclared() -> Vec<(&'static str, &'static str, Refers)> {
    let by_class = |class: &str| Refers::ByClass(class.to_owned());
    let sub = |class: &str, object: &str| Refers::SubColumn(class.to_owned(), object.to_owned());
    let columns = |relation: &str| Refers::Columns(relation.to_owned());
    let mut found = vec![
        ("pg_constraint", "confdelsetcols", columns("conrelid")),
        ("pg_publication_rel", "prattrs", columns("prrelid")),
    ];
    for catalog in ["pg_depend", "pg_shdepend"] {
        found.push((catalog, "objid", by_class("classid")));
        found.push((catalog, "objsubid", sub("classid", "objid")));
        found.push((catalog, "refobjid", by_class("refclassid")));
        found.push((catalog, "refobjsubid", sub("refclassid", "refobjid")));
    }
    for catalog in ["pg_description", "pg_shdescription", "pg_init_privs", "pg_seclabel", "pg_shseclabel"] {
        found.push((catalog, "objoid", by_class("classoid")));
        found.push((catalog, "objsubid", sub("classoid", "objoid")));
    }
    found
}
