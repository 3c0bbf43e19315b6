-- Make the database that the catalog lives in.
-- Identifiers: database. Used by connect.py for the embedded server.
create database {database} encoding 'UTF8' template template0
