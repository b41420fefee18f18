-- expect: applies no, undoable yes
-- find: apply/failed, apply/violating-rows
SET lock_timeout = '5s';
ALTER TABLE customer ADD CONSTRAINT customer_acctbal_positive CHECK (c_acctbal >= 0);
