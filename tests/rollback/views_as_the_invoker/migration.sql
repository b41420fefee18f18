ALTER VIEW a SET (security_invoker = false); ALTER VIEW b SET (security_invoker = true, security_barrier = true); DROP VIEW b; CREATE VIEW b AS SELECT id FROM a;
