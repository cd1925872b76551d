#!/bin/sh
# Installs Skein as a service on this host: Debian packages, /opt/skein, /usr/local/bin/skein, the systemd unit and,
# where there is none yet, /etc/skein/agent.json. Run it from a checkout, or give it a package made by `npm pack`:
#
#   sh deploy/install.sh [skein-VERSION.tgz]
#
# Again is an upgrade: the configuration is kept, rows stay in the kernel, and no packet is lost. DESTDIR puts the files
# below another root and leaves systemd alone.
set -eu

root=${DESTDIR:-}
here=$(cd "$(dirname "$0")/.." && pwd)
say() { echo "skein install: $*"; }

[ "$(id -u)" = 0 ] || { say "expected to be run as root, got user $(id -un)" >&2; exit 1; }
command -v npm >/dev/null || { say "expected npm on the PATH; on Debian: apt-get install npm" >&2; exit 1; }

missing=
for package in libnftables1 nftables iproute2; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  say "Debian packages:$missing"
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends $missing >/dev/null
fi

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
cp "$here/deploy/skein.service" "$root/etc/systemd/system/skein.service"

if [ -e "$root/etc/skein/agent.json" ]; then
  say "kept $root/etc/skein/agent.json"
else
  install -m 640 "$here/deploy/agent.json" "$root/etc/skein/agent.json"
  say "wrote $root/etc/skein/agent.json: name your etcd and underlay there, then: systemctl enable --now skein"
fi

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart skein
fi
say "done: $("$root/usr/local/bin/skein" --version)"
