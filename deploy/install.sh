#!/bin/sh
# Installs Skein as a service on this host: Debian packages, /opt/skein, /usr/local/bin/skein, the systemd units of the
# agent and of charon and, where there are none yet, /etc/skein/agent.json and /etc/skein/strongswan.conf. Run it from a
# checkout, or give it a package made by `npm pack`:
#
#   sh deploy/install.sh [skein-VERSION.tgz]
#
# Again is an upgrade: the configuration is kept, rows stay in the kernel, charon and its tunnels go on, and no packet is
# lost. DESTDIR puts the files below another root and leaves systemd alone.
set -eu

root=${DESTDIR:-}
here=$(cd "$(dirname "$0")/.." && pwd)
say() { echo "skein install: $*"; }

[ "$(id -u)" = 0 ] || { say "expected to be run as root, got user $(id -un)" >&2; exit 1; }
command -v npm >/dev/null || { say "expected npm on the PATH; on Debian: apt-get install npm" >&2; exit 1; }

missing=
charon="charon-systemd strongswan-swanctl libstrongswan-standard-plugins libcharon-extra-plugins"
for package in libnftables1 nftables iproute2 $charon; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  say "Debian packages:$missing"
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends $missing >/dev/null
fi
# Debian starts what it installs: its charon would take the ports of ours. One that was here before has its reasons.
case " $missing " in
  *" charon-systemd "*) if [ -d /run/systemd/system ]; then systemctl disable --now --quiet strongswan; fi ;;
esac

package=${1:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "$package" ]; then
  say "building from $here"
  cd "$here"
  sh deploy/setup.sh
  PATH="$here/node_modules/.bin:$PATH" npm run --silent build || { say "cannot build: see above" >&2; exit 1; }
  npm pack --silent --pack-destination "$scratch" >/dev/null
  package=$(ls "$scratch"/skein-*.tgz)
fi

say "files to $root/opt/skein"
mkdir -p "$root/opt/skein" "$root/usr/local/bin" "$root/etc/skein" "$root/etc/systemd/system"
npm install --silent --no-save --omit=dev --prefix "$root/opt/skein" "$package"
cat > "$root/usr/local/bin/skein" <<'SH'
#!/bin/sh
# The program's first line names the flags that Node runs it with.
export PATH="/opt/skein/node_modules/node/bin:$PATH"
exec /opt/skein/node_modules/skein/dist/bin.js "$@"
SH
[ -z "$root" ] || sed -i "s|/opt/skein|$root/opt/skein|g" "$root/usr/local/bin/skein"
chmod 755 "$root/usr/local/bin/skein"
cp "$here/deploy/skein.service" "$here/deploy/skein-charon.service" "$root/etc/systemd/system/"

if [ -e "$root/etc/skein/strongswan.conf" ]; then
  say "kept $root/etc/skein/strongswan.conf"
else
  install -m 644 "$here/deploy/strongswan.conf" "$root/etc/skein/strongswan.conf"
fi
# Debian's profile for charon knows Debian's files only; where AppArmor enforces it, ours have to be said.
profile=$root/etc/apparmor.d/local/usr.sbin.charon-systemd
if [ -d "$root/etc/apparmor.d" ] && ! grep -qs /run/skein/ "$profile"; then
  mkdir -p "${profile%/*}"
  printf '%s\n' '# Skein' '/etc/skein/strongswan.conf r,' '/run/skein/charon.vici rw,' 'capability net_bind_service,' >> "$profile"
  if [ -z "$root" ] && command -v apparmor_parser >/dev/null; then
    apparmor_parser --replace /etc/apparmor.d/usr.sbin.charon-systemd || say "cannot load AppArmor's profile of charon: see above"
  fi
fi

if [ -e "$root/etc/skein/agent.json" ]; then
  say "kept $root/etc/skein/agent.json"
else
  install -m 640 "$here/deploy/agent.json" "$root/etc/skein/agent.json"
  say "wrote $root/etc/skein/agent.json: name your etcd and underlay there, then: systemctl enable --now skein"
fi

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart skein
  if systemctl --quiet is-active strongswan; then
    say "strongswan.service is up and has the ports of skein-charon: systemctl disable --now strongswan, if no tunnel needs it"
  fi
fi
say "done: $("$root/usr/local/bin/skein" --version)"
