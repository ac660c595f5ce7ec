#!/bin/sh
set -eu
umask 077
data=/var/lib/mysql/data secrets=/run/secrets/mariadb init=/run/mysqld/init.sql
if [ ! -d "$data" ]; then
  rm -rf "$data.new"
  mariadb-install-db --no-defaults --datadir="$data.new" --auth-root-authentication-method=normal \
    --skip-test-db --innodb-log-file-size=16M > /dev/null
  mv "$data.new" "$data"
fi
account() {
  password=$(sed -e 's/\\/\\\\/g' -e "s/'/''/g" "$secrets/$2")
  printf "CREATE OR REPLACE USER '%s'@'%%' IDENTIFIED BY '%s';\n" "$1" "$password"
}
{
  cat /etc/cdc/seed.sql
  account debezium orders.password
  echo 'GRANT SELECT, RELOAD, SHOW DATABASES, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '"'"'debezium'"'"'@'"'"'%'"'"';'
  account app app.password
  echo 'GRANT ALL ON `shop`.* TO '"'"'app'"'"'@'"'"'%'"'"';'
} > "$init"
exec mariadbd --defaults-file=/etc/cdc/mariadb.cnf --init-file="$init"
