#!/bin/sh
# Called by udhcpc in the guest: takes the address of a lease.
case $1 in bound | renew)
  ifconfig $interface $ip netmask ${subnet:-255.255.255.0}
  [ -n "$router" ] && route add default gw $router 2>/dev/null
  echo "DHCP $interface $ip" >/dev/console
  echo $ip >/run/ip.$interface
  ;;
esac
