#!/bin/sh
# Makes an authority and a server certificate in a folder, unless they are there:
#   make-certificates.sh FOLDER HOST
# The authority's key is thrown away: it signs this one certificate. KEY_OWNER, a user id, becomes
# the owner of the server's key.
set -eu
folder=$1
host=$2
cd "$folder"
if [ -f ca.pem ] && [ -f redis.pem ] && [ -f redis.key ]; then
  exit 0
fi
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=employer-portal $host authority" \
  -keyout "$work/ca.key" -out "$work/ca.pem"
openssl req -newkey rsa:3072 -nodes -subj "/CN=$host" -keyout "$work/redis.key" -out "$work/redis.csr"
printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$host" \
  >"$work/extensions"
openssl x509 -req -in "$work/redis.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
  -days 3650 -extfile "$work/extensions" -out "$work/redis.pem"
cp "$work/ca.pem" "$work/redis.pem" "$work/redis.key" .
chmod 644 ca.pem redis.pem
chmod 400 redis.key
if [ -n "${KEY_OWNER:-}" ]; then
  chown "$KEY_OWNER" redis.key
fi
