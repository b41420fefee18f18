//! Everything that is not a table or part of one, and how objects depend on each other.

use super::cursor::Cursor;
use super::raw::RawColumns;
use super::server::Server;
use super::{EXTENSION_MEMBERS, USER_SCHEMA, each};
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::snapshot::Oid;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::net::FIRST_NORMAL_OID;
use crate::snapshot::object::{
    Address, Class, DefaultPrivileges, Dependency, Function, OtherObject, Schema, TableObject, Type, TypeKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// A catalog of [`OtherObject`]s.
struct OtherCatalog {
    name: &'static str,
    /// The first server version that has it.
    since: u32,
    /// What the names of its columns begin with.
    prefix: &'static str,
    /// Columns besides name, schema, owner and privileges that are restored in place or follow from others.
    apart: &'static [&'static str],
    /// Letter of `acldefault`, where its objects have privileges.
    acl: Option<char>,
}

const fn other(name: &'static str, prefix: &'static str) -> OtherCatalog {
    OtherCatalog { name, since: 0, prefix, apart: &[], acl: None }
}

const OTHER_CATALOGS: [OtherCatalog; 23] = [
    OtherCatalog { apart: &["extversion", "extnamespace"], ..other("pg_extension", "ext") },
    other("pg_cast", "cast"),
    // Commutators and negators are tied and untied with their partner.
    OtherCatalog { apart: &["oprcom", "oprnegate"], ..other("pg_operator", "opr") },
    other("pg_opclass", "opc"),
    other("pg_opfamily", "opf"),
    other("pg_collation", "coll"),
    other("pg_conversion", "con"),
    other("pg_ts_config", "cfg"),
    OtherCatalog { apart: &["dictinitoption"], ..other("pg_ts_dict", "dict") },
    other("pg_ts_parser", "prs"),
    other("pg_ts_template", "tmpl"),
    other("pg_event_trigger", "evt"),
    OtherCatalog { acl: Some('F'), ..other("pg_foreign_data_wrapper", "fdw") },
    OtherCatalog { acl: Some('S'), ..other("pg_foreign_server", "srv") },
    other("pg_user_mapping", "um"),
    OtherCatalog { acl: Some('l'), ..other("pg_language", "lan") },
    other("pg_publication", "pub"),
    other("pg_publication_rel", "pr"),
    OtherCatalog { since: 150_000, ..other("pg_publication_namespace", "pn") },
    other("pg_subscription", "sub"),
    other("pg_statistic_ext", "stx"),
    other("pg_transform", "trf"),
    other("pg_am", "am"),
];

impl OtherCatalog {
    /// Its rows as OID of the catalog, OID, digest, owner and privileges.
    fn select(&self) -> String {
        let Self { name, prefix, .. } = self;
        let own = ["name", "namespace", "owner", "acl"].map(|column| format!("{prefix}{column}"));
        let left_out: Vec<&str> =
            own.iter().map(String::as_str).chain(self.apart.iter().copied()).chain(["oid"]).collect();
        let left_out = left_out.join(",");
        let acl = match self.acl {
            Some(letter) => {
                let owner = format!("x.{prefix}owner");
                format!("array_to_string(coalesce(x.{prefix}acl, acldefault('{letter}', {owner})), E'\\x1f')")
            }
            None => "NULL".to_owned(),
        };
        format!(
            "SELECT '{name}'::regclass::oid AS classid, x.oid, md5((to_jsonb(x) - \
             '{{{left_out}}}'::text[])::text) AS raw, \
             (to_jsonb(x) ->> '{prefix}owner')::oid AS owner, {acl} AS acl \
             FROM {name} x WHERE x.oid >= {FIRST_NORMAL_OID}"
        )
    }
}

pub(super) async fn read_schemas(server: &mut Server<'_>, catalog: &mut Catalog) -> Result<(), ServerError> {
    let rows = server
        .read(&format!(
            "WITH {EXTENSION_MEMBERS}
             SELECT n.oid, n.nspname, pg_get_userbyid(n.nspowner),
               array_to_string(coalesce(n.nspacl, acldefault('n', n.nspowner)), E'\\x1f'),
               m.extname
             FROM pg_namespace n LEFT JOIN members m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
             WHERE {USER_SCHEMA}"
        ))
        .await?;
    each(rows, |row| {
        let oid = row.number()?;
        let schema = Schema {
            name: row.text(),
            owner: row.text(),
            acl: row.sorted_list(),
            comment: None,
            extension: row.optional(),
        };
        catalog.schemas.insert(oid, schema);
        Ok(())
    })
}

pub(super) async fn read_types(
    server: &mut Server<'_>,
    raw: &RawColumns,
    catalog: &mut Catalog,
) -> Result<(), ServerError> {
    let mut labels: BTreeMap<Oid, Vec<(Oid, String)>> = BTreeMap::new();
    let rows = server.read("SELECT enumtypid, oid, enumlabel FROM pg_enum ORDER BY enumtypid, enumsortorder").await?;
    each(rows, |row| {
        labels.entry(row.number()?).or_default().push((row.number()?, row.text()));
        Ok(())
    })?;
    let rows = server
        .read(&format!(
            "WITH {EXTENSION_MEMBERS}
             SELECT t.oid, n.nspname, t.typname, quote_ident(n.nspname) || '.' || quote_ident(t.typname), t.typtype,
               format_type(t.typbasetype, t.typtypmod), pg_get_expr(t.typdefaultbin, 0), t.typnotnull, t.typrelid,
               pg_get_userbyid(t.typowner), array_to_string(coalesce(t.typacl, acldefault('T', t.typowner)), E'\\x1f'),
               md5({}::text)
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
             LEFT JOIN pg_class c ON c.oid = t.typrelid
             WHERE t.typtype IN ('e', 'd', 'c', 'r', 'b') AND (t.typtype <> 'c' OR c.relkind = 'c')
               AND NOT (t.typtype = 'b' AND EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid))
               AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
               AND {USER_SCHEMA}",
            raw.row("pg_type", "t", &["oid", "typname", "typnamespace", "typowner", "typacl", "typarray"]),
        ))
        .await?;
    each(rows, |row| {
        let oid = row.number()?;
        let (schema, name, qualified) = (row.text(), row.text(), row.text());
        let letter = row.character('b');
        let (base, default, not_null, relation) = (row.text(), row.optional(), row.flag(), row.number()?);
        let kind = match letter {
            'e' => TypeKind::Enum(labels.remove(&oid).unwrap_or_default()),
            'd' => TypeKind::Domain { base, default, not_null },
            'c' => TypeKind::Composite(relation),
            'r' => TypeKind::Range,
            _ => TypeKind::Base,
        };
        catalog.types.insert(
            oid,
            Type {
                schema,
                name,
                qualified,
                kind,
                owner: row.text(),
                acl: row.sorted_list(),
                comment: None,
                raw: row.text(),
            },
        );
        Ok(())
    })
}

pub(super) async fn read_functions(
    server: &mut Server<'_>,
    raw: &RawColumns,
    catalog: &mut Catalog,
) -> Result<(), ServerError> {
    let parsed_body = if catalog.version >= 140_000 { "p.prosqlbody IS NOT NULL" } else { "false" };
    let rows = server
        .read(&format!(
            "WITH {EXTENSION_MEMBERS}
             SELECT p.oid, n.nspname, p.proname,
               quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' ||
                 CASE WHEN p.prokind = 'a' THEN coalesce(nullif(pg_get_function_identity_arguments(p.oid), ''), '*')
                   ELSE oidvectortypes(p.proargtypes) END || ')',
               oidvectortypes(p.proargtypes), p.prokind,
               CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END, pg_get_userbyid(p.proowner),
               array_to_string(coalesce(p.proacl, acldefault('f', p.proowner)), E'\\x1f'),
               md5({}::text),
               pg_get_function_result(p.oid), coalesce(p.proargnames::text, ''), p.pronargdefaults, {parsed_body}
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                 AND d.deptype = 'i')
               AND {USER_SCHEMA}",
            raw.row("pg_proc", "p", &["oid", "proname", "pronamespace", "proowner", "proacl"]),
        ))
        .await?;
    each(rows, |row| {
        let oid = row.number()?;
        let function = Function {
            schema: row.text(),
            name: row.text(),
            identity: row.text(),
            arguments: row.text(),
            kind: row.character('f'),
            definition: row.optional(),
            owner: row.text(),
            acl: row.sorted_list(),
            comment: None,
            raw: row.text(),
            signature: (row.text(), row.text(), row.number()?),
            parsed_body: row.flag(),
        };
        catalog.functions.insert(oid, function);
        Ok(())
    })
}

pub(super) async fn read_triggers(
    server: &mut Server<'_>,
    raw: &RawColumns,
    catalog: &mut Catalog,
) -> Result<(), ServerError> {
    let rows = server
        .read(&format!(
            "SELECT t.oid, t.tgrelid, t.tgname, pg_get_triggerdef(t.oid),
               md5({}::text), t.tgenabled, nullif(t.tgparentid, 0)
             FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE NOT t.tgisinternal AND {USER_SCHEMA}",
            raw.row("pg_trigger", "t", &["oid", "tgname", "tgenabled", "tgparentid"]),
        ))
        .await?;
    each(rows, |row| {
        let (oid, object) = table_object(row)?;
        catalog.triggers.insert(oid, object);
        Ok(())
    })?;
    let rows = server
        .read(&format!(
            "SELECT t.tgconstraint, string_agg(t.tgenabled::text, '' ORDER BY t.tgtype, t.tgfoid)
             FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_constraint con ON con.oid = t.tgconstraint AND con.contype = 'f'
             WHERE t.tgisinternal AND {USER_SCHEMA}
             GROUP BY t.tgconstraint HAVING bool_or(t.tgenabled <> 'O')"
        ))
        .await?;
    each(rows, |row| {
        catalog.enforcement.insert(row.number()?, row.text());
        Ok(())
    })
}

pub(super) async fn read_rules_and_policies(
    server: &mut Server<'_>,
    raw: &RawColumns,
    catalog: &mut Catalog,
) -> Result<(), ServerError> {
    let rows = server
        .read(&format!(
            "SELECT r.oid, r.ev_class, r.rulename, pg_get_ruledef(r.oid),
               md5({}::text), r.ev_enabled
             FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE r.rulename <> '_RETURN' AND {USER_SCHEMA}",
            raw.row("pg_rewrite", "r", &["oid", "rulename", "ev_enabled"]),
        ))
        .await?;
    each(rows, |row| {
        let (oid, object) = table_object(row)?;
        catalog.rules.insert(oid, object);
        Ok(())
    })?;
    let rows = server
        .read(&format!(
            "SELECT p.oid, p.polrelid, p.polname,
               concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, p.polcmd::text,
                 (SELECT string_agg(CASE WHEN r = 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(r)) END, ', '
                   ORDER BY r) FROM unnest(p.polroles) r),
                 'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                 'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
               md5({}::text), 'O'
             FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE {USER_SCHEMA}",
            raw.row("pg_policy", "p", &["oid", "polname"]),
        ))
        .await?;
    each(rows, |row| {
        let (oid, object) = table_object(row)?;
        catalog.policies.insert(oid, object);
        Ok(())
    })
}

fn table_object(row: &mut Cursor) -> Result<(Oid, TableObject), ServerError> {
    let oid = row.number()?;
    let object = TableObject {
        table: row.number()?,
        name: row.text(),
        definition: row.text(),
        raw: row.text(),
        enabled: row.character('O'),
        comment: None,
        parent: row.optional_number()?,
    };
    Ok((oid, object))
}

pub(super) async fn read_others(server: &mut Server<'_>, catalog: &mut Catalog) -> Result<(), ServerError> {
    let version = catalog.version;
    // Passwords may stand in these: a superuser alone may read them.
    let all = server.abilities().has(Ability::CatalogRead);
    let readable = |catalog: &OtherCatalog| all || !["pg_user_mapping", "pg_subscription"].contains(&catalog.name);
    let selects =
        OTHER_CATALOGS.iter().filter(|catalog| version >= catalog.since && readable(catalog)).map(OtherCatalog::select);
    let selects: Vec<String> = selects.collect();
    let rows = server
        .read(&format!(
            "WITH {EXTENSION_MEMBERS}, found AS ({})
             SELECT f.classid, f.oid, i.type,
               coalesce(i.schema, (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n
                 ON n.oid = e.extnamespace WHERE f.classid = 'pg_extension'::regclass AND e.oid = f.oid)),
               i.name, i.identity,
               CASE WHEN f.classid = 'pg_statistic_ext'::regclass THEN pg_get_statisticsobjdef(f.oid)
                 WHEN f.classid = 'pg_extension'::regclass
                   THEN (SELECT extversion FROM pg_extension e WHERE e.oid = f.oid)
                 WHEN f.classid = 'pg_ts_dict'::regclass
                   THEN (SELECT coalesce(dictinitoption, '') FROM pg_ts_dict d WHERE d.oid = f.oid)
                 WHEN f.classid = 'pg_ts_config'::regclass
                   THEN (SELECT coalesce(string_agg(t.alias || ': ' || m.mapdict::regdictionary, ', '
                       ORDER BY m.maptokentype, m.mapseqno), '') FROM pg_ts_config c, ts_token_type(c.cfgparser) t,
                     pg_ts_config_map m WHERE c.oid = f.oid AND m.mapcfg = f.oid AND m.maptokentype = t.tokid) END,
               f.raw || CASE WHEN f.classid = 'pg_opfamily'::regclass
                 THEN md5(concat((SELECT string_agg((to_jsonb(o) - 'oid')::text, '' ORDER BY o.oid) FROM pg_amop o
                     WHERE o.amopfamily = f.oid), (SELECT string_agg((to_jsonb(p) - 'oid')::text, '' ORDER BY p.oid)
                     FROM pg_amproc p WHERE p.amprocfamily = f.oid))) ELSE '' END,
               pg_get_userbyid(f.owner), f.acl
             FROM found f, LATERAL pg_identify_object(f.classid, f.oid, 0) i
             WHERE NOT EXISTS (SELECT FROM members m WHERE m.classid = f.classid AND m.objid = f.oid)",
            selects.join(" UNION ALL ")
        ))
        .await?;
    each(rows, |row| {
        let address = Address::new(Class::Other(row.number()?), row.number()?);
        let object = OtherObject {
            type_name: row.text(),
            schema: row.optional().map(|name| unquoted(&name)),
            name: row.optional().map(|name| unquoted(&name)),
            identity: row.text(),
            definition: row.optional(),
            comment: None,
            raw: row.text(),
            owner: row.optional(),
            acl: row.sorted_list(),
        };
        catalog.others.insert(address, object);
        Ok(())
    })
}

/// What `quote_ident` made of a name, taken back.
fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

pub(super) async fn read_privileges_and_casts(
    server: &mut Server<'_>,
    catalog: &mut Catalog,
) -> Result<(), ServerError> {
    let rows = server
        .read(
            "SELECT pg_get_userbyid(d.defaclrole), n.nspname, d.defaclobjtype, array_to_string(d.defaclacl, E'\\x1f') \
             FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace ORDER BY 1, 2, 3",
        )
        .await?;
    each(rows, |row| {
        catalog.default_privileges.push(DefaultPrivileges {
            role: row.text(),
            schema: row.optional(),
            object_type: row.character('r'),
            acl: row.sorted_list(),
        });
        Ok(())
    })?;
    let rows = server.read("SELECT castsource, casttarget, castcontext FROM pg_cast").await?;
    each(rows, |row| {
        catalog.casts.insert((row.number()?, row.number()?), row.character('e'));
        Ok(())
    })
}

/// What a type in `pg_depend` stands for.
struct TypeOf {
    row_of: Option<Oid>,
    element: Option<Oid>,
}

/// Puts the server's dependencies into the terms of [`Catalog`].
#[derive(Default)]
struct Translation {
    defaults: BTreeMap<Oid, (Oid, i16)>,
    view_rules: BTreeMap<Oid, Oid>,
    types: BTreeMap<Oid, TypeOf>,
    composite_relations: BTreeMap<Oid, Oid>,
    members: BTreeMap<(Oid, Oid), Oid>,
}

impl Translation {
    fn address(&self, class: &str, class_oid: Oid, oid: Oid, column: i16) -> Option<Address> {
        if let Some(extension) = self.members.get(&(class_oid, oid)) {
            return Some(Address::new(Class::Other(PG_EXTENSION), *extension));
        }
        Some(match class {
            "pg_class" => match self.composite_relations.get(&oid) {
                Some(composite) => Address::new(Class::Type, *composite),
                None => Address::column(oid, column),
            },
            "pg_attrdef" => self.defaults.get(&oid).map(|(table, column)| Address::default_of(*table, *column))?,
            "pg_rewrite" => match self.view_rules.get(&oid) {
                Some(view) => Address::relation(*view),
                None => Address::new(Class::Rule, oid),
            },
            "pg_type" => self.of_type(oid, 0),
            "pg_namespace" => Address::new(Class::Schema, oid),
            "pg_proc" => Address::new(Class::Function, oid),
            "pg_constraint" => Address::new(Class::Constraint, oid),
            "pg_trigger" => Address::new(Class::Trigger, oid),
            "pg_policy" => Address::new(Class::Policy, oid),
            _ => Address::new(Class::Other(class_oid), oid),
        })
    }

    fn of_type(&self, oid: Oid, depth: u8) -> Address {
        match self.types.get(&oid) {
            Some(TypeOf { element: Some(element), .. }) if depth < 4 => self.of_type(*element, depth + 1),
            Some(TypeOf { row_of: Some(table), .. }) => Address::relation(*table),
            _ => Address::new(Class::Type, oid),
        }
    }
}

/// `'pg_extension'::regclass`, fixed in every server.
pub(super) const PG_EXTENSION: Oid = 3079;

pub(super) async fn read_dependencies(server: &mut Server<'_>) -> Result<Vec<Dependency>, ServerError> {
    let mut translation = Translation::default();
    let rows = server.read("SELECT oid, adrelid, adnum FROM pg_attrdef").await?;
    each(rows, |row| {
        translation.defaults.insert(row.number()?, (row.number()?, row.number()?));
        Ok(())
    })?;
    let rows = server
        .read(&format!(
            "SELECT oid, ev_class FROM pg_rewrite WHERE rulename = '_RETURN' AND ev_class >= {FIRST_NORMAL_OID}"
        ))
        .await?;
    each(rows, |row| {
        translation.view_rules.insert(row.number()?, row.number()?);
        Ok(())
    })?;
    let rows = server
        .read(&format!(
            "SELECT t.oid, CASE WHEN c.relkind <> 'c' THEN c.oid END, e.oid, \
             CASE WHEN c.relkind = 'c' THEN c.oid END FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid \
             LEFT JOIN pg_type e ON e.typarray = t.oid WHERE t.oid >= {FIRST_NORMAL_OID}"
        ))
        .await?;
    each(rows, |row| {
        let oid = row.number()?;
        translation.types.insert(oid, TypeOf { row_of: row.optional_number()?, element: row.optional_number()? });
        if let Some(relation) = row.optional_number()? {
            translation.composite_relations.insert(relation, oid);
        }
        Ok(())
    })?;
    let rows = server
        .read(
            "SELECT classid, objid, refobjid FROM pg_depend WHERE deptype = 'e' \
             AND refclassid = 'pg_extension'::regclass AND refobjid >= 16384",
        )
        .await?;
    each(rows, |row| {
        translation.members.insert((row.number()?, row.number()?), row.number()?);
        Ok(())
    })?;
    let rows = server
        .read(&format!(
            "SELECT d.classid::regclass, d.classid, d.objid, d.objsubid, d.refclassid::regclass, d.refclassid, \
             d.refobjid, d.refobjsubid, d.deptype FROM pg_depend d \
             LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid \
             LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid \
             WHERE d.objid >= {FIRST_NORMAL_OID} AND d.refobjid >= {FIRST_NORMAL_OID} AND d.deptype <> 'e' \
             AND t.tgisinternal IS NOT TRUE AND c.relkind IS DISTINCT FROM 't' \
             AND d.refclassid <> 'pg_namespace'::regclass"
        ))
        .await?;
    let mut found = BTreeSet::new();
    each(rows, |row| {
        let (class, class_oid, oid, column) = (row.text(), row.number()?, row.number()?, row.number()?);
        let dependent = translation.address(&class, class_oid, oid, column);
        let (class, class_oid, oid, column) = (row.text(), row.number()?, row.number()?, row.number()?);
        let referenced = translation.address(&class, class_oid, oid, column);
        if let (Some(dependent), Some(referenced)) = (dependent, referenced)
            && dependent != referenced
        {
            found.insert(Dependency { dependent, referenced, kind: row.character('n') });
        }
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}
