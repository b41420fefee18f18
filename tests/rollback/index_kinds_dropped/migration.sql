DROP INDEX f_expression, f_partial, f_include, f_opclass, f_gin, f_brin, f_hash, f_gist, f_json, f_unique;
