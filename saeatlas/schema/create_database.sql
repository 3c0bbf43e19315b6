-- Make the database that the catalog lives in.
-- Identifiers: name. Used by connect.py for the embedded server.
create database {name} encoding 'UTF8' template template0
