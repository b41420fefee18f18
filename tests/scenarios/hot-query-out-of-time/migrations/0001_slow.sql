CREATE OR REPLACE FUNCTION public.amount_of(wanted integer) RETURNS integer LANGUAGE plpgsql STABLE COST 100000
AS $$ BEGIN PERFORM pg_sleep(20); RETURN (SELECT amount FROM public.orders WHERE id = wanted); END $$;
