INSERT INTO roles (name) VALUES ('admin'), ('user');
INSERT INTO users_roles SELECT u.id, r.id FROM users u, roles r WHERE r.name = 'user';
INSERT INTO users (email, name) SELECT 'bot' || g, 'b' FROM generate_series(1, 3) AS g WHERE NOT EXISTS (SELECT 1 FROM users WHERE email = 'bot' || g);
INSERT INTO users_roles (user_id, role_id) VALUES ((SELECT id FROM users WHERE email = 'bot1'), (SELECT id FROM roles WHERE name = 'admin'));
INSERT INTO posts (user_id, title) SELECT id, 'welcome' FROM users WHERE email LIKE 'bot%' OR id = 1;
INSERT INTO comments (post_id, body) SELECT id, 'first' FROM posts WHERE title = 'welcome';
