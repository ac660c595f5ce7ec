\set ON_ERROR_STOP on
SET client_min_messages TO warning;
-- role warehouse.customers.owner
SELECT 'CREATE ROLE "warehouse.customers.owner"' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.customers.owner')) \gexec
-- role warehouse.customers.owner without the rights of an administrator
SELECT 'ALTER ROLE "warehouse.customers.owner" NOSUPERUSER NOREPLICATION NOBYPASSRLS' WHERE NOT (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.customers.owner' AND (rolsuper OR rolreplication OR rolbypassrls))) \gexec
-- role warehouse.customers.owner: cannot log in, connections -1
SELECT 'ALTER ROLE "warehouse.customers.owner" NOLOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT -1' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.customers.owner' AND NOT rolcanlogin AND rolconnlimit = -1 AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)) \gexec
-- role warehouse.customers.reader
SELECT 'CREATE ROLE "warehouse.customers.reader"' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.customers.reader')) \gexec
-- role warehouse.customers.reader without the rights of an administrator
SELECT 'ALTER ROLE "warehouse.customers.reader" NOSUPERUSER NOREPLICATION NOBYPASSRLS' WHERE NOT (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.customers.reader' AND (rolsuper OR rolreplication OR rolbypassrls))) \gexec
-- role warehouse.customers.reader: cannot log in, connections -1
SELECT 'ALTER ROLE "warehouse.customers.reader" NOLOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT -1' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.customers.reader' AND NOT rolcanlogin AND rolconnlimit = -1 AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)) \gexec
-- role warehouse.shop.owner
SELECT 'CREATE ROLE "warehouse.shop.owner"' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.shop.owner')) \gexec
-- role warehouse.shop.owner without the rights of an administrator
SELECT 'ALTER ROLE "warehouse.shop.owner" NOSUPERUSER NOREPLICATION NOBYPASSRLS' WHERE NOT (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.shop.owner' AND (rolsuper OR rolreplication OR rolbypassrls))) \gexec
-- role warehouse.shop.owner: cannot log in, connections -1
SELECT 'ALTER ROLE "warehouse.shop.owner" NOLOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT -1' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.shop.owner' AND NOT rolcanlogin AND rolconnlimit = -1 AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)) \gexec
-- role warehouse.shop.reader
SELECT 'CREATE ROLE "warehouse.shop.reader"' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.shop.reader')) \gexec
-- role warehouse.shop.reader without the rights of an administrator
SELECT 'ALTER ROLE "warehouse.shop.reader" NOSUPERUSER NOREPLICATION NOBYPASSRLS' WHERE NOT (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.shop.reader' AND (rolsuper OR rolreplication OR rolbypassrls))) \gexec
-- role warehouse.shop.reader: cannot log in, connections -1
SELECT 'ALTER ROLE "warehouse.shop.reader" NOLOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT -1' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.shop.reader' AND NOT rolcanlogin AND rolconnlimit = -1 AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)) \gexec
-- role warehouse.cdc_shop-customers-sink.owner
SELECT 'CREATE ROLE "warehouse.cdc_shop-customers-sink.owner"' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.cdc_shop-customers-sink.owner')) \gexec
-- role warehouse.cdc_shop-customers-sink.owner without the rights of an administrator
SELECT 'ALTER ROLE "warehouse.cdc_shop-customers-sink.owner" NOSUPERUSER NOREPLICATION NOBYPASSRLS' WHERE NOT (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.cdc_shop-customers-sink.owner' AND (rolsuper OR rolreplication OR rolbypassrls))) \gexec
-- role warehouse.cdc_shop-customers-sink.owner: cannot log in, connections -1
SELECT 'ALTER ROLE "warehouse.cdc_shop-customers-sink.owner" NOLOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT -1' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.cdc_shop-customers-sink.owner' AND NOT rolcanlogin AND rolconnlimit = -1 AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)) \gexec
-- role warehouse.cdc_shop-orders-sink.owner
SELECT 'CREATE ROLE "warehouse.cdc_shop-orders-sink.owner"' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.cdc_shop-orders-sink.owner')) \gexec
-- role warehouse.cdc_shop-orders-sink.owner without the rights of an administrator
SELECT 'ALTER ROLE "warehouse.cdc_shop-orders-sink.owner" NOSUPERUSER NOREPLICATION NOBYPASSRLS' WHERE NOT (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.cdc_shop-orders-sink.owner' AND (rolsuper OR rolreplication OR rolbypassrls))) \gexec
-- role warehouse.cdc_shop-orders-sink.owner: cannot log in, connections -1
SELECT 'ALTER ROLE "warehouse.cdc_shop-orders-sink.owner" NOLOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT -1' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.cdc_shop-orders-sink.owner' AND NOT rolcanlogin AND rolconnlimit = -1 AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)) \gexec
-- role shop-customers-sink
SELECT 'CREATE ROLE "shop-customers-sink"' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop-customers-sink')) \gexec
-- role shop-customers-sink without the rights of an administrator
SELECT 'ALTER ROLE "shop-customers-sink" NOSUPERUSER NOREPLICATION NOBYPASSRLS' WHERE NOT (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop-customers-sink' AND (rolsuper OR rolreplication OR rolbypassrls))) \gexec
-- role shop-customers-sink: may log in, connections 14
SELECT 'ALTER ROLE "shop-customers-sink" LOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT 14' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop-customers-sink' AND rolcanlogin AND rolconnlimit = 14 AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)) \gexec
-- role shop-customers-sink: idle_in_transaction_session_timeout is 5min
SELECT 'ALTER ROLE "shop-customers-sink" SET idle_in_transaction_session_timeout = ''5min''' WHERE NOT (EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND r.rolname = 'shop-customers-sink' AND 'idle_in_transaction_session_timeout=5min' = ANY (s.setconfig))) \gexec
-- role shop-customers-sink: lock_timeout is 60s
SELECT 'ALTER ROLE "shop-customers-sink" SET lock_timeout = ''60s''' WHERE NOT (EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND r.rolname = 'shop-customers-sink' AND 'lock_timeout=60s' = ANY (s.setconfig))) \gexec
-- role shop-customers-sink: statement_timeout is 10min
SELECT 'ALTER ROLE "shop-customers-sink" SET statement_timeout = ''10min''' WHERE NOT (EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND r.rolname = 'shop-customers-sink' AND 'statement_timeout=10min' = ANY (s.setconfig))) \gexec
-- role shop-orders-sink
SELECT 'CREATE ROLE "shop-orders-sink"' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop-orders-sink')) \gexec
-- role shop-orders-sink without the rights of an administrator
SELECT 'ALTER ROLE "shop-orders-sink" NOSUPERUSER NOREPLICATION NOBYPASSRLS' WHERE NOT (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop-orders-sink' AND (rolsuper OR rolreplication OR rolbypassrls))) \gexec
-- role shop-orders-sink: may log in, connections 14
SELECT 'ALTER ROLE "shop-orders-sink" LOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT 14' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop-orders-sink' AND rolcanlogin AND rolconnlimit = 14 AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)) \gexec
-- role shop-orders-sink: idle_in_transaction_session_timeout is 5min
SELECT 'ALTER ROLE "shop-orders-sink" SET idle_in_transaction_session_timeout = ''5min''' WHERE NOT (EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND r.rolname = 'shop-orders-sink' AND 'idle_in_transaction_session_timeout=5min' = ANY (s.setconfig))) \gexec
-- role shop-orders-sink: lock_timeout is 60s
SELECT 'ALTER ROLE "shop-orders-sink" SET lock_timeout = ''60s''' WHERE NOT (EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND r.rolname = 'shop-orders-sink' AND 'lock_timeout=60s' = ANY (s.setconfig))) \gexec
-- role shop-orders-sink: statement_timeout is 10min
SELECT 'ALTER ROLE "shop-orders-sink" SET statement_timeout = ''10min''' WHERE NOT (EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND r.rolname = 'shop-orders-sink' AND 'statement_timeout=10min' = ANY (s.setconfig))) \gexec
-- role cdc_monitor
SELECT 'CREATE ROLE "cdc_monitor"' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'cdc_monitor')) \gexec
-- role cdc_monitor without the rights of an administrator
SELECT 'ALTER ROLE "cdc_monitor" NOSUPERUSER NOREPLICATION NOBYPASSRLS' WHERE NOT (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cdc_monitor' AND (rolsuper OR rolreplication OR rolbypassrls))) \gexec
-- role cdc_monitor: may log in, connections 5
SELECT 'ALTER ROLE "cdc_monitor" LOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT 5' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'cdc_monitor' AND rolcanlogin AND rolconnlimit = 5 AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)) \gexec
-- role cdc_monitor: default_transaction_read_only is on
SELECT 'ALTER ROLE "cdc_monitor" SET default_transaction_read_only = ''on''' WHERE NOT (EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND r.rolname = 'cdc_monitor' AND 'default_transaction_read_only=on' = ANY (s.setconfig))) \gexec
-- role cdc_monitor: lock_timeout is 5s
SELECT 'ALTER ROLE "cdc_monitor" SET lock_timeout = ''5s''' WHERE NOT (EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND r.rolname = 'cdc_monitor' AND 'lock_timeout=5s' = ANY (s.setconfig))) \gexec
-- role cdc_monitor: statement_timeout is 30s
SELECT 'ALTER ROLE "cdc_monitor" SET statement_timeout = ''30s''' WHERE NOT (EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND r.rolname = 'cdc_monitor' AND 'statement_timeout=30s' = ANY (s.setconfig))) \gexec
-- the administrator acts for warehouse.customers.owner
SELECT 'GRANT "warehouse.customers.owner" TO CURRENT_USER' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.customers.owner' AND pg_has_role(current_user, oid, 'USAGE'))) \gexec
-- the administrator acts for warehouse.shop.owner
SELECT 'GRANT "warehouse.shop.owner" TO CURRENT_USER' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.shop.owner' AND pg_has_role(current_user, oid, 'USAGE'))) \gexec
-- the administrator acts for warehouse.cdc_shop-customers-sink.owner
SELECT 'GRANT "warehouse.cdc_shop-customers-sink.owner" TO CURRENT_USER' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.cdc_shop-customers-sink.owner' AND pg_has_role(current_user, oid, 'USAGE'))) \gexec
-- the administrator acts for warehouse.cdc_shop-orders-sink.owner
SELECT 'GRANT "warehouse.cdc_shop-orders-sink.owner" TO CURRENT_USER' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse.cdc_shop-orders-sink.owner' AND pg_has_role(current_user, oid, 'USAGE'))) \gexec
-- the administrator acts for shop-customers-sink
SELECT 'GRANT "shop-customers-sink" TO CURRENT_USER' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop-customers-sink' AND pg_has_role(current_user, oid, 'USAGE'))) \gexec
-- the administrator acts for shop-orders-sink
SELECT 'GRANT "shop-orders-sink" TO CURRENT_USER' WHERE NOT (EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop-orders-sink' AND pg_has_role(current_user, oid, 'USAGE'))) \gexec
-- role cdc_monitor is one of pg_monitor
SELECT 'GRANT "pg_monitor" TO "cdc_monitor"' WHERE NOT (EXISTS (SELECT FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid JOIN pg_roles AS u ON u.oid = m.member WHERE g.rolname = 'pg_monitor' AND u.rolname = 'cdc_monitor')) \gexec
-- database warehouse
SELECT 'CREATE DATABASE "warehouse" ENCODING ''UTF8'' TEMPLATE template0' WHERE NOT (EXISTS (SELECT FROM pg_database WHERE datname = 'warehouse')) \gexec
-- database warehouse is closed to everybody else
SELECT 'REVOKE ALL ON DATABASE "warehouse" FROM PUBLIC' WHERE NOT (EXISTS (SELECT FROM pg_database WHERE datname = 'warehouse') AND NOT EXISTS (SELECT FROM pg_database AS d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a WHERE d.datname = 'warehouse' AND a.grantee = 0)) \gexec
-- shop-customers-sink may connect, temporary in warehouse
SELECT 'GRANT CONNECT, TEMPORARY ON DATABASE "warehouse" TO "shop-customers-sink"' WHERE NOT (EXISTS (SELECT FROM pg_database AS o CROSS JOIN LATERAL aclexplode(o.datacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.datname = 'warehouse' AND r.rolname = 'shop-customers-sink' AND a.privilege_type = 'CONNECT') AND EXISTS (SELECT FROM pg_database AS o CROSS JOIN LATERAL aclexplode(o.datacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.datname = 'warehouse' AND r.rolname = 'shop-customers-sink' AND a.privilege_type = 'TEMPORARY')) \gexec
-- shop-orders-sink may connect, temporary in warehouse
SELECT 'GRANT CONNECT, TEMPORARY ON DATABASE "warehouse" TO "shop-orders-sink"' WHERE NOT (EXISTS (SELECT FROM pg_database AS o CROSS JOIN LATERAL aclexplode(o.datacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.datname = 'warehouse' AND r.rolname = 'shop-orders-sink' AND a.privilege_type = 'CONNECT') AND EXISTS (SELECT FROM pg_database AS o CROSS JOIN LATERAL aclexplode(o.datacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.datname = 'warehouse' AND r.rolname = 'shop-orders-sink' AND a.privilege_type = 'TEMPORARY')) \gexec
-- warehouse.customers.reader may connect in warehouse
SELECT 'GRANT CONNECT ON DATABASE "warehouse" TO "warehouse.customers.reader"' WHERE NOT (EXISTS (SELECT FROM pg_database AS o CROSS JOIN LATERAL aclexplode(o.datacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.datname = 'warehouse' AND r.rolname = 'warehouse.customers.reader' AND a.privilege_type = 'CONNECT')) \gexec
-- warehouse.shop.reader may connect in warehouse
SELECT 'GRANT CONNECT ON DATABASE "warehouse" TO "warehouse.shop.reader"' WHERE NOT (EXISTS (SELECT FROM pg_database AS o CROSS JOIN LATERAL aclexplode(o.datacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.datname = 'warehouse' AND r.rolname = 'warehouse.shop.reader' AND a.privilege_type = 'CONNECT')) \gexec
-- cdc_monitor may connect in warehouse
SELECT 'GRANT CONNECT ON DATABASE "warehouse" TO "cdc_monitor"' WHERE NOT (EXISTS (SELECT FROM pg_database AS o CROSS JOIN LATERAL aclexplode(o.datacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.datname = 'warehouse' AND r.rolname = 'cdc_monitor' AND a.privilege_type = 'CONNECT')) \gexec
\connect -reuse-previous=on "dbname='warehouse'"
SET client_min_messages TO warning;
-- schema warehouse.public is closed to everybody else
SELECT 'REVOKE ALL ON SCHEMA public FROM PUBLIC' WHERE NOT (NOT EXISTS (SELECT FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(n.nspacl) AS a WHERE n.nspname = 'public' AND a.grantee = 0)) \gexec
-- schema warehouse.customers
SELECT 'CREATE SCHEMA "customers" AUTHORIZATION "warehouse.customers.owner"' WHERE NOT (EXISTS (SELECT FROM pg_namespace WHERE nspname = 'customers')) \gexec
-- shop-customers-sink may make tables in warehouse.customers
SELECT 'GRANT USAGE, CREATE ON SCHEMA "customers" TO "shop-customers-sink"' WHERE NOT (EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'customers' AND r.rolname = 'shop-customers-sink' AND a.privilege_type = 'USAGE') AND EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'customers' AND r.rolname = 'shop-customers-sink' AND a.privilege_type = 'CREATE')) \gexec
-- warehouse.customers.reader may look into warehouse.customers
SELECT 'GRANT USAGE ON SCHEMA "customers" TO "warehouse.customers.reader"' WHERE NOT (EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'customers' AND r.rolname = 'warehouse.customers.reader' AND a.privilege_type = 'USAGE')) \gexec
-- warehouse.customers.reader may read the tables of warehouse.customers
SELECT 'DO ''DECLARE place text; BEGIN FOR place IN SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_roles AS w ON w.oid = c.relowner WHERE n.nspname = ''''customers'''' AND w.rolname IN (''''shop-customers-sink'''') AND c.relkind IN (''''r'''', ''''p'''', ''''v'''', ''''m'''', ''''f'''') AND NOT EXISTS (SELECT FROM pg_class AS o CROSS JOIN LATERAL aclexplode(o.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.oid = c.oid AND r.rolname = ''''warehouse.customers.reader'''' AND a.privilege_type = ''''SELECT'''') LOOP EXECUTE ''''GRANT SELECT ON '''' || place || '''' TO '''' || ''''"warehouse.customers.reader"''''; END LOOP; END''' WHERE NOT (NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_roles AS w ON w.oid = c.relowner WHERE n.nspname = 'customers' AND w.rolname IN ('shop-customers-sink') AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS (SELECT FROM pg_class AS o CROSS JOIN LATERAL aclexplode(o.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.oid = c.oid AND r.rolname = 'warehouse.customers.reader' AND a.privilege_type = 'SELECT'))) \gexec
-- warehouse.customers.reader may read what shop-customers-sink will make in warehouse.customers
SELECT 'ALTER DEFAULT PRIVILEGES FOR ROLE "shop-customers-sink" IN SCHEMA "customers" GRANT SELECT ON TABLES TO "warehouse.customers.reader"' WHERE NOT (EXISTS (SELECT FROM pg_default_acl AS o JOIN pg_namespace AS n ON n.oid = o.defaclnamespace JOIN pg_roles AS w ON w.oid = o.defaclrole CROSS JOIN LATERAL aclexplode(o.defaclacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE n.nspname = 'customers' AND w.rolname = 'shop-customers-sink' AND o.defaclobjtype = 'r' AND r.rolname = 'warehouse.customers.reader' AND a.privilege_type = 'SELECT')) \gexec
-- schema warehouse.shop
SELECT 'CREATE SCHEMA "shop" AUTHORIZATION "warehouse.shop.owner"' WHERE NOT (EXISTS (SELECT FROM pg_namespace WHERE nspname = 'shop')) \gexec
-- shop-orders-sink may make tables in warehouse.shop
SELECT 'GRANT USAGE, CREATE ON SCHEMA "shop" TO "shop-orders-sink"' WHERE NOT (EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'shop' AND r.rolname = 'shop-orders-sink' AND a.privilege_type = 'USAGE') AND EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'shop' AND r.rolname = 'shop-orders-sink' AND a.privilege_type = 'CREATE')) \gexec
-- warehouse.shop.reader may look into warehouse.shop
SELECT 'GRANT USAGE ON SCHEMA "shop" TO "warehouse.shop.reader"' WHERE NOT (EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'shop' AND r.rolname = 'warehouse.shop.reader' AND a.privilege_type = 'USAGE')) \gexec
-- warehouse.shop.reader may read the tables of warehouse.shop
SELECT 'DO ''DECLARE place text; BEGIN FOR place IN SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_roles AS w ON w.oid = c.relowner WHERE n.nspname = ''''shop'''' AND w.rolname IN (''''shop-orders-sink'''') AND c.relkind IN (''''r'''', ''''p'''', ''''v'''', ''''m'''', ''''f'''') AND NOT EXISTS (SELECT FROM pg_class AS o CROSS JOIN LATERAL aclexplode(o.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.oid = c.oid AND r.rolname = ''''warehouse.shop.reader'''' AND a.privilege_type = ''''SELECT'''') LOOP EXECUTE ''''GRANT SELECT ON '''' || place || '''' TO '''' || ''''"warehouse.shop.reader"''''; END LOOP; END''' WHERE NOT (NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_roles AS w ON w.oid = c.relowner WHERE n.nspname = 'shop' AND w.rolname IN ('shop-orders-sink') AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS (SELECT FROM pg_class AS o CROSS JOIN LATERAL aclexplode(o.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.oid = c.oid AND r.rolname = 'warehouse.shop.reader' AND a.privilege_type = 'SELECT'))) \gexec
-- warehouse.shop.reader may read what shop-orders-sink will make in warehouse.shop
SELECT 'ALTER DEFAULT PRIVILEGES FOR ROLE "shop-orders-sink" IN SCHEMA "shop" GRANT SELECT ON TABLES TO "warehouse.shop.reader"' WHERE NOT (EXISTS (SELECT FROM pg_default_acl AS o JOIN pg_namespace AS n ON n.oid = o.defaclnamespace JOIN pg_roles AS w ON w.oid = o.defaclrole CROSS JOIN LATERAL aclexplode(o.defaclacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE n.nspname = 'shop' AND w.rolname = 'shop-orders-sink' AND o.defaclobjtype = 'r' AND r.rolname = 'warehouse.shop.reader' AND a.privilege_type = 'SELECT')) \gexec
-- schema warehouse.cdc_shop-customers-sink
SELECT 'CREATE SCHEMA "cdc_shop-customers-sink" AUTHORIZATION "warehouse.cdc_shop-customers-sink.owner"' WHERE NOT (EXISTS (SELECT FROM pg_namespace WHERE nspname = 'cdc_shop-customers-sink')) \gexec
-- shop-customers-sink may make tables in warehouse.cdc_shop-customers-sink
SELECT 'GRANT USAGE, CREATE ON SCHEMA "cdc_shop-customers-sink" TO "shop-customers-sink"' WHERE NOT (EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'cdc_shop-customers-sink' AND r.rolname = 'shop-customers-sink' AND a.privilege_type = 'USAGE') AND EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'cdc_shop-customers-sink' AND r.rolname = 'shop-customers-sink' AND a.privilege_type = 'CREATE')) \gexec
-- schema warehouse.cdc_shop-orders-sink
SELECT 'CREATE SCHEMA "cdc_shop-orders-sink" AUTHORIZATION "warehouse.cdc_shop-orders-sink.owner"' WHERE NOT (EXISTS (SELECT FROM pg_namespace WHERE nspname = 'cdc_shop-orders-sink')) \gexec
-- shop-orders-sink may make tables in warehouse.cdc_shop-orders-sink
SELECT 'GRANT USAGE, CREATE ON SCHEMA "cdc_shop-orders-sink" TO "shop-orders-sink"' WHERE NOT (EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'cdc_shop-orders-sink' AND r.rolname = 'shop-orders-sink' AND a.privilege_type = 'USAGE') AND EXISTS (SELECT FROM pg_namespace AS o CROSS JOIN LATERAL aclexplode(o.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.nspname = 'cdc_shop-orders-sink' AND r.rolname = 'shop-orders-sink' AND a.privilege_type = 'CREATE')) \gexec
