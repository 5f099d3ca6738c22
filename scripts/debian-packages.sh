#!/usr/bin/env bash
# Installs the Debian packages that the tests need, those that are missing and no others.
set -eu

packages=(chromium varnish varnish-modules postgresql-doc-15 libnss3-tools curl openssl ca-certificates iproute2
  ceph-mon ceph-osd radosgw ceph-common pebble bind9 lego certbot testssl.sh)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = 'install ok installed' ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "the tests need Debian packages that are not installed; run: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi

echo "installing Debian packages: ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive
# A package's own server must not start by itself and take a port.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get -qq update
apt-get -qq -y --no-install-recommends install "${missing[@]}" > /dev/null
