#!/bin/sh
# Makes a Debian machine ready for `npm run demo`; with the argument `test` for `npm test`, with `vm` for the demo in a
# virtual machine, with `bench` for `npm run bench`. Says what it installs; does nothing where all is there.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# etcd is a real one, libnftables1 what the agent loads; nft, ip, ping, traceroute, tcpdump and curl are witnesses, and
# openssl makes the tests' certificates, systemd-analyze checks the unit.
packages="etcd-server etcd-client nftables libnftables1 iproute2 iputils-ping iputils-arping traceroute tcpdump curl openssl
  procps util-linux kmod systemd"
# Clients of DNS and a forwarder, as containers may have them.
packages="$packages bind9-dnsutils knot-dnsutils busybox dnsmasq-base"
# IPsec's daemon: its plugins are in four packages, and swanctl is the witness.
packages="$packages charon-systemd strongswan-swanctl libstrongswan-standard-plugins libcharon-extra-plugins"

# Whether the kernel has what encrypted networks need.
has_esp() {
  key=0x0123456789012345678901234567890123456789
  unshare --net sh -c "ip link add xf0 type xfrm if_id 1 && ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1000 \
    mode transport aead 'rfc4106(gcm(aes))' $key 128" 2>/dev/null
}
# Debian's kernel in QEMU, for want of our own: test/vm/vmrun.
machine="qemu-system-x86 xz-utils kmod"
case "${1:-}" in
  test) has_esp || packages="$packages $machine" ;;
  vm) packages="$packages $machine" ;;
  # What names and data planes are measured with, and beside.
  bench)
    packages="$packages dnsperf unbound aardvark-dns iperf3"
    has_esp || packages="$packages $machine"
    ;;
esac

missing_packages() {
  for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=absent
    [ "$state" = installed ] || printf '%s ' "$package"
  done
}

# Debian starts what it installs, and a second etcd on the host's own port 2379 is nobody's wish: policy-rc.d says no.
policy=/usr/sbin/policy-rc.d
allow_services() {
  if [ -e $policy.before-skein ]; then mv -f $policy.before-skein $policy; else rm -f $policy; fi
}
forbid_services() {
  # A run cut short by SIGKILL leaves its own policy in place and the owner's saved: that one is not to be lost.
  if [ -e $policy ] && [ ! -e $policy.before-skein ]; then mv $policy $policy.before-skein; fi
  trap allow_services EXIT
  trap 'exit 130' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' > $policy
  chmod 755 $policy
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq "$@"
}

install_packages() {
  say "installing Debian packages: $1"
  [ "$(id -u)" = 0 ] || fail "Cannot install Debian packages: expected to run as root, got user $(id -un)"
  log=$(mktemp)
  forbid_services
  # Lists may be absent or old: they are fetched only when installing without them fails.
  # shellcheck disable=SC2086
  if ! apt install -y --no-install-recommends $1 >"$log" 2>&1; then
    say "fetching Debian's package lists"
    { apt update && apt install -y --no-install-recommends $1; } >"$log" 2>&1 || { cat "$log" >&2; fail "Cannot install Debian packages: apt-get failed, see above"; }
  fi
  rm -f "$log"
  allow_services
  trap - EXIT HUP INT TERM
  # Installed but stopped, they would still come up at the next boot.
  for service in etcd-server:etcd charon-systemd:strongswan; do
    case " $1" in *" ${service%:*} "*) if [ -d /run/systemd/system ]; then systemctl disable --quiet "${service#*:}"; fi ;; esac
  done
}

missing=$(missing_packages)
[ -z "$missing" ] || install_packages "$missing"

# npm writes this file last, so it is missing after an install that was cut short. Through a link it would empty another
# checkout's node_modules: that one is the other's to fill.
installed=node_modules/.package-lock.json
if [ -L node_modules ]; then
  say "node_modules is a link: taken as it is"
elif [ ! -e $installed ] || [ package-lock.json -nt $installed ]; then
  say "installing npm packages (package-lock.json)"
  npm ci --no-audit --no-fund --loglevel=error
fi

# The npm package `node` fetches its binary in an install script, which npm can be told not to run.
wanted=$(sed -n 's/^ *"node": "\([0-9.]*\)",*$/v\1/p' package.json)
pinned=node_modules/.bin/node
if [ "$("$pinned" --version 2>/dev/null || true)" != "$wanted" ]; then
  say "installing Node $wanted"
  (cd node_modules/node && node installArchSpecificPackage)
  got=$("$pinned" --version 2>/dev/null || true)
  [ "$got" = "$wanted" ] || fail "Cannot install Node: expected $wanted in $pinned, got ${got:-none}"
fi
