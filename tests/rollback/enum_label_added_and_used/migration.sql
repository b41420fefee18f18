-- no-transaction
ALTER TYPE job_state ADD VALUE IF NOT EXISTS 'running' BEFORE 'done';
UPDATE jobs SET state = 'running', history = history || 'running'::job_state WHERE state = 'new';
