REVOKE SELECT ON customers FROM reporting;
