UPDATE lands SET code = upper(code);
