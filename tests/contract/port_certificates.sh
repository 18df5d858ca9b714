#!/bin/sh
# Makes what port_test needs in the directory $1: two authorities, a device, and gateways of every kind.
set -eu
cd "$1"

long_ago=20200101000000Z
far=20400101000000Z

authority() { # name
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    openssl ca -batch -notext -config ca.conf -extensions authority -selfsign -keyfile "$1.key" -in "$1.csr" \
        -out "$1.crt" -startdate $long_ago -enddate $far
}

certificate() { # name, authority, subjectAltName, first day, last day
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=$1" -addext "subjectAltName=$3" -out "$1.csr"
    openssl ca -batch -notext -config ca.conf -cert "$2.crt" -keyfile "$2.key" -in "$1.csr" -out "$1.crt" \
        -startdate "$4" -enddate "$5"
}

cat >ca.conf <<CONF
[ca]
default_ca = here
[here]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[authority]
basicConstraints = critical, CA:TRUE
[any]
commonName = supplied
CONF
: >index
echo 1000 >serial

authority ca
authority other
certificate device ca DNS:device $long_ago $far
certificate device2 ca DNS:device2 $long_ago $far
certificate gateway ca DNS:localhost,IP:127.0.0.1 $long_ago $far
certificate elsewhere ca DNS:elsewhere.example $long_ago $far
certificate foreign other DNS:localhost,IP:127.0.0.1 $long_ago $far
certificate expired ca DNS:localhost,IP:127.0.0.1 20100101000000Z $long_ago
certificate future ca DNS:localhost,IP:127.0.0.1 $far 20410101000000Z
certificate stranger other DNS:device $long_ago $far
cat ca.crt other.crt >both.crt
: >empty.crt
