CREATE TABLE IF NOT EXISTS votes (
    id   varchar(255) PRIMARY KEY,
    vote varchar(255) NOT NULL
);
