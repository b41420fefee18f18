//! Tables and what they are made of: columns, indexes, constraints, sequences.

use super::raw::RawColumns;
use super::server::Server;
use super::{COLUMN_OPTION, EXTENSION_MEMBERS, USER_SCHEMA, each};
use crate::engine::ServerError;
use crate::engine::postgres::session::{Rows, quote_identifier};
use crate::snapshot::Oid;
use crate::snapshot::catalog::{
    Catalog, Column, ColumnDetail, Constraint, ConstraintDetail, Index, IndexDetail, Relation, RelationDetail,
    RelationKind,
};
use crate::snapshot::object::Sequence;
use std::sync::Arc;

pub(super) async fn read_relations(server: &mut Server<'_>, catalog: &mut Catalog) -> Result<(), ServerError> {
    let rows = server
        .read(&format!(
            "WITH {EXTENSION_MEMBERS}
             SELECT c.oid, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind,
               pg_get_userbyid(c.relowner), coalesce(pg_relation_filenode(c.oid), 0), nullif(c.reltoastrelid, 0),
               c.relispartition, c.relpersistence,
               coalesce(m.extname, mt.extname, mi.extname),
               array_to_string(coalesce(c.relacl,
                 acldefault(CASE WHEN c.relkind = 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, c.relowner)), E'\\x1f'),
               array_to_string(c.reloptions, E'\\x1f'), array_to_string(toast.reloptions, E'\\x1f'),
               c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relispopulated,
               pg_get_expr(c.relpartbound, c.oid),
               CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
               am.amname, ts.spcname,
               parents.oids,
               CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
               md5(r.ev_action::text), c.reltype,
               (SELECT array_to_string(ftoptions, E'\\x1f') FROM pg_foreign_table f WHERE f.ftrelid = c.oid)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
             LEFT JOIN members mt ON mt.classid = 'pg_type'::regclass AND mt.objid = c.reltype AND c.relkind = 'c'
             LEFT JOIN pg_index i ON i.indexrelid = c.oid
             LEFT JOIN members mi ON mi.classid = 'pg_class'::regclass AND mi.objid = i.indrelid
             LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
             LEFT JOIN pg_am am ON am.oid = c.relam
             LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
             LEFT JOIN pg_rewrite r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
             LEFT JOIN (SELECT inhrelid, string_agg(inhparent::text, E'\\x1f' ORDER BY inhseqno) AS oids FROM pg_inherits
               GROUP BY inhrelid) parents ON parents.inhrelid = c.oid
             WHERE c.relkind <> 't' AND {USER_SCHEMA}"
        ))
        .await?;
    each(rows, |row| {
        let oid = row.number()?;
        let (schema, name, qualified) = (row.text(), row.text(), row.text());
        let kind = RelationKind::of(row.character('r'));
        let (owner, filenode, toast) = (row.text(), row.number()?, row.optional_number()?);
        let (is_partition, persistence, extension) = (row.flag(), row.character('p'), row.optional());
        let detail = RelationDetail {
            acl: row.sorted_list(),
            comment: None,
            options: row.list(),
            toast_options: row.list(),
            row_security: row.flag(),
            force_row_security: row.flag(),
            replica_identity: row.character('d'),
            populated: row.flag(),
            partition_bound: row.optional(),
            partition_key: row.optional(),
            access_method: row.optional(),
            tablespace: row.optional(),
            parents: row.numbers()?,
            view: row.optional(),
            raw: row.text(),
            row_type: row.number()?,
            foreign_options: row.list(),
        };
        let parent = detail.parents.first().copied();
        catalog.relation_details.insert(oid, detail);
        catalog.relations.insert(
            oid,
            Relation {
                oid,
                schema,
                name,
                qualified,
                kind,
                owner,
                filenode,
                toast,
                parent,
                is_partition,
                persistence,
                extension,
            },
        );
        Ok(())
    })
}

pub(super) async fn read_columns(server: &mut Server<'_>, catalog: &mut Catalog) -> Result<(), ServerError> {
    let compression = if catalog.version >= 140_000 { "nullif(a.attcompression, '')" } else { "NULL" };
    let rows = server
        .read(&format!(
            "SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity, ''), nullif(a.attgenerated, ''),
               CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0
                 THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END,
               a.atttypid, a.atttypmod, t.typnamespace = 'pg_catalog'::regnamespace,
               array_to_string(a.attacl, E'\\x1f'),
               CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
               a.attstorage, a.attstorage = t.typstorage, {compression},
               (SELECT string_agg(o, E'\\x1f') FROM unnest(a.attoptions) o WHERE {COLUMN_OPTION}),
               a.attislocal, a.attinhcount > 0, md5(d.adbin::text), array_to_string(a.attfdwoptions, E'\\x1f')
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_type t ON t.oid = a.atttypid
             LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
             WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
               AND {USER_SCHEMA}"
        ))
        .await?;
    each(rows, |row| {
        let (table, number) = (row.number()?, row.number()?);
        let column = Column {
            number,
            name: row.text(),
            type_name: row.text(),
            not_null: row.flag(),
            default: row.optional(),
            identity: row.optional_character(),
            generated: row.optional_character(),
            collation: row.optional(),
        };
        let detail = ColumnDetail {
            type_oid: row.number()?,
            type_modifier: row.number()?,
            builtin_type: row.flag(),
            acl: row.sorted_list(),
            comment: None,
            statistics_target: row.optional_number()?,
            storage: row.character('p'),
            default_storage: row.flag(),
            compression: row.optional_character(),
            options: row.list(),
            local: row.flag(),
            inherited: row.flag(),
            default_raw: row.text(),
            foreign_options: row.list(),
        };
        catalog.columns.insert((table, number), column);
        catalog.column_details.insert((table, number), detail);
        Ok(())
    })
}

/// What [`add_indexes`] makes indexes of.
pub(super) async fn read_indexes(server: &mut Server<'_>, raw: &RawColumns) -> Result<Rows, ServerError> {
    server
        .read(&format!(
            "SELECT i.indexrelid, i.indrelid, c.relname, pg_get_indexdef(i.indexrelid),
               CASE WHEN i.indexprs IS NOT NULL THEN (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, false), E'\\x1f'
                 ORDER BY k) FROM generate_series(1, i.indnatts) k WHERE i.indkey[k - 1] = 0) END,
               i.indnkeyatts, i.indisunique, i.indisprimary, i.indisvalid, con.oid,
               pg_get_expr(i.indpred, i.indrelid), am.amname, inh.inhparent, i.indisreplident, i.indisclustered,
               i.indisready, i.indexprs IS NOT NULL,
               md5({}::text || c.relam),
               replace(i.indkey::text, ' ', E'\\x1f'),
               (SELECT string_agg(a.attnum || ' ' || a.attstattarget, E'\\x1f' ORDER BY a.attnum) FROM pg_attribute a
                 WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0)
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_class t ON t.oid = i.indrelid AND t.relkind <> 't'
             JOIN pg_am am ON am.oid = c.relam
             LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
             LEFT JOIN pg_inherits inh ON inh.inhrelid = i.indexrelid
             WHERE {USER_SCHEMA}",
            raw.row(
                "pg_index",
                "i",
                &[
                    "indexrelid",
                    "indisvalid",
                    "indisready",
                    "indislive",
                    "indcheckxmin",
                    "indisreplident",
                    "indisclustered",
                ],
            ),
        ))
        .await
}

/// The columns are there already.
pub(super) fn add_indexes(rows: Rows, catalog: &mut Catalog) -> Result<(), ServerError> {
    each(rows, |row| {
        let (oid, table) = (row.number()?, row.number()?);
        let name = row.text();
        let definition = row.text();
        let expressions = row.list();
        let mut index = Index {
            oid,
            table,
            shape: index_shape(&definition, &name),
            definition,
            keys: Vec::new(),
            key_count: row.number()?,
            unique: row.flag(),
            primary: row.flag(),
            valid: row.flag(),
            constraint: row.optional_number()?,
            predicate: row.optional(),
            method: row.text(),
        };
        let detail = IndexDetail {
            parent: row.optional_number()?,
            replica_identity: row.flag(),
            clustered: row.flag(),
            ready: row.flag(),
            has_expressions: row.flag(),
            raw: row.text(),
            attributes: row.numbers()?,
            statistics_targets: statistics_targets(&row.list()),
        };
        let mut expressions = expressions.into_iter();
        let keys = detail.attributes.iter().filter_map(|number| match number {
            0 => expressions.next(),
            _ => column_name(catalog, table, *number),
        });
        index.keys = keys.collect();
        catalog.indexes.insert(oid, index);
        catalog.index_details.insert(oid, detail);
        Ok(())
    })
}

/// Statistics targets by attribute number, from `number target`.
fn statistics_targets(list: &[String]) -> Vec<(i16, i32)> {
    list.iter()
        .filter_map(|item| item.split_once(' '))
        .filter_map(|(number, target)| Some((number.parse().ok()?, target.parse().ok()?)))
        .collect()
}

/// Name of a column by its number; system columns included.
fn column_name(catalog: &Catalog, table: Oid, number: i16) -> Option<String> {
    let system = match number {
        -1 => "ctid",
        -2 => "xmin",
        -3 => "cmin",
        -4 => "xmax",
        -5 => "cmax",
        -6 => "tableoid",
        _ => return catalog.columns.get(&(table, number)).map(|column| column.name.clone()),
    };
    Some(system.to_owned())
}

fn column_names(catalog: &Catalog, table: Option<Oid>, numbers: &[i16]) -> Vec<String> {
    numbers.iter().filter_map(|number| column_name(catalog, table?, *number)).collect()
}

/// An index definition with the index's own name left out.
fn index_shape(definition: &str, name: &str) -> String {
    let quoted = format!(" INDEX {} ON ", quote_identifier(name));
    let plain = format!(" INDEX {name} ON ");
    if definition.contains(&quoted) {
        definition.replacen(&quoted, " INDEX _ ON ", 1)
    } else {
        definition.replacen(&plain, " INDEX _ ON ", 1)
    }
}

pub(super) async fn read_constraints(
    server: &mut Server<'_>,
    raw: &RawColumns,
    catalog: &mut Catalog,
) -> Result<(), ServerError> {
    let rows = server
        .read(&format!(
            "SELECT con.oid, nullif(con.conrelid, 0), con.conname, con.contype, pg_get_constraintdef(con.oid),
               con.convalidated, nullif(con.confrelid, 0), array_to_string(con.conkey, E'\\x1f'),
               array_to_string(con.confkey, E'\\x1f'), con.coninhcount > 0, nullif(con.contypid, 0),
               nullif(con.conindid, 0), nullif(con.conparentid, 0), md5({}::text),
               con.condeferrable
             FROM pg_constraint con JOIN pg_namespace n ON n.oid = con.connamespace
             WHERE con.contype <> 't' AND {USER_SCHEMA}",
            raw.row(
                "pg_constraint",
                "con",
                &["oid", "conname", "connamespace", "conindid", "conparentid", "coninhcount", "conislocal"],
            ),
        ))
        .await?;
    each(rows, |row| {
        let oid = row.number()?;
        let (table, name, kind, definition, validated, references) =
            (row.optional_number()?, row.text(), row.character('c'), row.text(), row.flag(), row.optional_number()?);
        let (columns, referenced_columns) = (row.numbers()?, row.numbers()?);
        let constraint = Constraint {
            oid,
            table,
            name,
            kind,
            definition,
            validated,
            references,
            columns: column_names(catalog, table, &columns),
            referenced_columns: column_names(catalog, references, &referenced_columns),
            inherited: row.flag(),
        };
        let detail = ConstraintDetail {
            domain: row.optional_number()?,
            index: row.optional_number()?,
            parent: row.optional_number()?,
            comment: None,
            raw: row.text(),
            deferrable: row.flag(),
        };
        catalog.constraints.insert(oid, constraint);
        catalog.constraint_details.insert(oid, detail);
        Ok(())
    })
}

pub(super) async fn read_sequences(server: &mut Server<'_>, catalog: &mut Catalog) -> Result<(), ServerError> {
    let rows = server
        .read(&format!(
            "SELECT s.seqrelid, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax,
               s.seqcache, s.seqcycle, d.refobjid, d.refobjsubid, d.deptype = 'i',
               pg_sequence_last_value(s.seqrelid)
             FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
               AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
             WHERE {USER_SCHEMA}"
        ))
        .await?;
    let mut not_called = Vec::new();
    each(rows, |row| {
        let oid = row.number()?;
        let mut sequence = Sequence {
            type_name: row.text(),
            start: row.number()?,
            increment: row.number()?,
            minimum: row.number()?,
            maximum: row.number()?,
            cache: row.number()?,
            cycle: row.flag(),
            ..Default::default()
        };
        let (table, column, identity) = (row.optional_number()?, row.optional_number()?, row.flag());
        sequence.owned_by = table.zip(column);
        sequence.identity = sequence.owned_by.is_some() && identity;
        match row.optional_number()? {
            Some(last_value) => (sequence.last_value, sequence.is_called) = (last_value, true),
            None => not_called.push(oid),
        }
        catalog.sequences.insert(oid, sequence);
        Ok(())
    })?;
    for (oid, (last_value, is_called)) in positions(server, catalog, &not_called).await? {
        if let Some(sequence) = catalog.sequences.get_mut(&oid) {
            (sequence.last_value, sequence.is_called) = (last_value, is_called);
        }
    }
    Ok(())
}

/// Where these sequences stand, each by itself: the function that tells it of all says nothing of one that was not called,
/// whatever it was set to.
async fn positions(
    server: &mut Server<'_>,
    catalog: &Catalog,
    sequences: &[Oid],
) -> Result<Vec<(Oid, (i64, bool))>, ServerError> {
    let asked: Vec<String> = sequences
        .iter()
        .filter_map(|oid| catalog.relations.get(oid))
        .map(|sequence| format!("SELECT {}, last_value, is_called FROM {}", sequence.oid, sequence.qualified))
        .collect();
    let mut found = Vec::new();
    for chunk in asked.chunks(200) {
        let rows = server.query(&chunk.join(" UNION ALL ")).await?;
        each(rows, |row| {
            found.push((row.number()?, (row.number()?, row.flag())));
            Ok(())
        })?;
    }
    Ok(found)
}

/// What is in no system catalog: `known` with the files relations have now, and where sequences stand.
pub(super) async fn read_again(server: &mut Server<'_>, known: &Arc<Catalog>) -> Result<Arc<Catalog>, ServerError> {
    let rows = server
        .read(&format!(
            "SELECT c.oid, coalesce(pg_relation_filenode(c.oid), 0), nullif(c.reltoastrelid, 0)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind <> 't' AND {USER_SCHEMA}"
        ))
        .await?;
    let mut files = Vec::new();
    each(rows, |row| {
        let (oid, now) = (row.number()?, (row.number()?, row.optional_number()?));
        files.extend(
            known.relations.get(&oid).filter(|relation| (relation.filenode, relation.toast) != now).map(|_| (oid, now)),
        );
        Ok(())
    })?;
    let sequences: Vec<Oid> = known.sequences.keys().copied().collect();
    let mut positions = positions(server, known, &sequences).await?;
    positions.retain(|(oid, now)| {
        known.sequences.get(oid).is_some_and(|sequence| (sequence.last_value, sequence.is_called) != *now)
    });
    if files.is_empty() && positions.is_empty() {
        return Ok(Arc::clone(known));
    }
    let mut catalog = Catalog::clone(known);
    for (oid, now) in files {
        if let Some(relation) = catalog.relations.get_mut(&oid) {
            (relation.filenode, relation.toast) = now;
        }
    }
    for (oid, now) in positions {
        if let Some(sequence) = catalog.sequences.get_mut(&oid) {
            (sequence.last_value, sequence.is_called) = now;
        }
    }
    Ok(Arc::new(catalog))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_indexs_shape_does_not_hold_its_name() {
        let plain = index_shape("CREATE INDEX a ON public.t USING btree (x)", "a");
        let quoted = index_shape("CREATE INDEX \"A b\" ON public.t USING btree (x)", "A b");
        assert_eq!(plain, "CREATE INDEX _ ON public.t USING btree (x)");
        assert_eq!(plain, quoted);
    }
}
