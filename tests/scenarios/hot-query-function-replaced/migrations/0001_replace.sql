CREATE TABLE audit (id integer);
CREATE OR REPLACE FUNCTION public.amount_of(wanted integer) RETURNS integer LANGUAGE plpgsql STABLE
AS $$ BEGIN RETURN (SELECT amount FROM public.orders WHERE id + 0 = wanted); END $$;
