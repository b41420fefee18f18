CREATE SERVER far FOREIGN DATA WRAPPER bare;
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'hidden', "user" 'u', batch '5');
CREATE USER MAPPING FOR app SERVER far OPTIONS (password 'veiled');
