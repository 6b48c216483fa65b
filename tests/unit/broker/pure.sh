#!/bin/sh
# Is the broker core still a function? Its library may use nothing that reaches outside:
# no sockets, disk, clock, random numbers or output. $1: libbroker_core.a
set -eu
symbols=$(nm -u "$1" | awk '$1 == "U" {print $2}' | sort -u)
[ -n "$symbols" ] || { echo "nm shows no symbols of $1"; exit 1; }
bad=$(echo "$symbols" | grep -E -e '^_*(zmq|mdb|store|msgpack|json)_' \
    -e '^_*(time|clock|gettimeofday|timespec|nanosleep|usleep|sleep)' \
    -e '^_*(s?rand(om)?|[a-z]rand48|getrandom|getentropy|arc4random)' \
    -e '^_*(f?open|openat|f?read|f?write|p?read|p?write|close|fclose|socket|send|recv|connect|bind|poll|ioctl|mmap)(64|_chk)?$' \
    -e '^_*(v?f?printf|f?puts|f?putc|putchar|fwrite|perror|stdout|stderr|stdin|getenv|system|fork|exec[a-z]*)(_chk)?$' || true)
if [ -n "$bad" ]; then
    echo "the broker core uses:" $bad
    exit 1
fi
echo "only:" $symbols
