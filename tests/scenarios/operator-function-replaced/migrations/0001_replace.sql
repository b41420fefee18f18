COMMENT ON TABLE few IS 'few';
CREATE OR REPLACE FUNCTION public.alike(a integer, b integer) RETURNS boolean LANGUAGE plpgsql STABLE
AS $$ BEGIN PERFORM count(*) FROM items WHERE qty + 0 = 5; RETURN a = b; END $$;
