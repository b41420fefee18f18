UPDATE notes SET body = 'changed';
