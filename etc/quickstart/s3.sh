# shellcheck shell=bash
# The S3 server of `./quickstart up --s3`, RADOS Gateway over one monitor and one
# OSD, in DIR/s3. Read by quickstart, whose tools it uses. Nothing of it is meant
# for more than trying millrace out: one copy of everything, one machine.
#
# The objects lie in DIR/s3/osd/block, a file that is as large as what is in it,
# so they are there again after down and up: what millrace knows to be exported
# is exported.

S3_BUCKET=events S3_BACKUP=events-backup
S3_PORTS=(mon mon_v1 https)

has_s3() { [[ $(recorded s3) = yes ]]; }

s3_port() { sed -n "s/^$1=//p" "$DIR/s3/ports"; }
s3_url() { echo "https://localhost:$(s3_port https)"; }

# Runs a program of Ceph as the servers' user.
ceph_tool() {
    local program=$1
    shift
    as "$WEB_USER" "$program" -c "$DIR/s3/ceph.conf" "$@"
}

# --- making it -----------------------------------------------------------------

# Ports that no outgoing connection takes. The monitor cannot change its own later.
choose_s3_ports() {
    local name port used=' '
    for name in "${S3_PORTS[@]}"; do
        while port=$((20000 + RANDOM % 12000)) && { [[ $used = *" $port "* ]] ||
            (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }; do :; done
        used+="$port "
        echo "$name=$port"
    done
}

write_ceph_conf() {
    local port
    port=$(s3_port https)
    cat <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$(s3_port mon),v1:127.0.0.1:$(s3_port mon_v1)]
keyring = $DIR/s3/keyring
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = $DIR/s3
admin socket =
pid file = $DIR/s3/\$name.pid
log file = $DIR/s3/log/\$name.log
crash dir = $DIR/s3/log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
[mon]
mon data = $DIR/s3/mon
[osd]
osd data = $DIR/s3/osd
keyring = $DIR/s3/osd/keyring
osd objectstore = bluestore
bluestore block size = 107374182400
osd memory target = 939524096
osd class load list = *
osd class default list = *
[client.rgw]
rgw data = $DIR/s3/rgw
rgw frontends = beast ssl_endpoint=127.0.0.1:$port $(has_ipv6 &&
        echo "ssl_endpoint=[::1]:$port") ssl_certificate=$DIR/s3/tls.crt \
    ssl_private_key=$DIR/s3/tls.key
rgw dns name = localhost
rgw thread pool size = 16
END
}

# A CA of its own, and a certificate for localhost that it signs.
make_certificates() {
    local at=$DIR/s3
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout "$at/ca.key" -out "$at/ca.crt" \
        -subj '/CN=millrace quickstart' &&
        openssl req -newkey rsa:2048 -nodes -keyout "$at/tls.key" -out "$at/tls.csr" \
            -subj /CN=localhost &&
        openssl x509 -req -in "$at/tls.csr" -CA "$at/ca.crt" -CAkey "$at/ca.key" \
            -CAcreateserial -days 3650 -out "$at/tls.crt" \
            -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1') || return
    # What is signed is signed: nobody needs the CA's key any more.
    rm "$at/ca.key" "$at/tls.csr"
}

make_keyring() {
    local at=$DIR/s3/keyring
    ceph-authtool "$at" --create-keyring --gen-key -n mon. --cap mon 'allow *' &&
        ceph-authtool "$at" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' \
            --cap mgr 'allow *' &&
        ceph-authtool "$at" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
}

make_monitor() {
    local fsid
    fsid=$(sed -n 's/^fsid = //p' "$DIR/s3/ceph.conf")
    monmaptool --create --fsid "$fsid" --addv a \
        "[v2:127.0.0.1:$(s3_port mon),v1:127.0.0.1:$(s3_port mon_v1)]" "$DIR/s3/monmap" &&
        own_s3 && ceph_tool ceph-mon --mkfs -i a --monmap "$DIR/s3/monmap"
}

own_s3() {
    if is_root; then chown -R "$WEB_USER:" "$DIR/s3"; fi
}

# The OSD has to be known to a monitor that runs.
make_osd() {
    local secret uuid
    secret=$(ceph-authtool --gen-print-key)
    uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph_tool ceph --connect-timeout 30 osd new "$uuid" -i - <<<"{\"cephx_secret\": \"$secret\"}" &&
        (umask 077 && printf '[osd.0]\n\tkey = %s\n' "$secret" >"$DIR/s3/osd/keyring") &&
        own_s3 && ceph_tool ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
}

# Prints the string that a key has in radosgw-admin's JSON.
json_text() {
    sed -n "s|.*\"$1\": \"\([^\"]*\)\".*|\1|p" | sed -n 1p | sed 's|\\/|/|g'
}

# The user that owns the buckets: its keys stand in s3cmd's configuration alone.
make_user() {
    local user
    user=$(ceph_tool radosgw-admin -n client.rgw user create --uid=millrace \
        --display-name=millrace) || return
    (umask 077 && cat >"$DIR/s3/s3cfg") <<END
[default]
access_key = $(json_text access_key <<<"$user")
secret_key = $(json_text secret_key <<<"$user")
host_base = localhost:$(s3_port https)
host_bucket = localhost:$(s3_port https)
bucket_location = us-east-1
use_https = True
ca_certs_file = $DIR/s3/ca.crt
END
}

# All that is made before a server runs.
make_s3_files() {
    mkdir -m 755 "$DIR/s3"
    mkdir -m 700 "$DIR/s3/mon" "$DIR/s3/osd" "$DIR/s3/rgw" "$DIR/s3/log"
    choose_s3_ports >"$DIR/s3/ports"
    write_ceph_conf >"$DIR/s3/ceph.conf"
    (umask 077 && make_certificates && make_keyring && make_monitor) || return
    chmod 644 "$DIR/s3/ca.crt"
}

# One that is made half does not stay.
make_s3() {
    local log=$DIR/log/s3.log
    if [[ -e $DIR/s3/s3cfg ]]; then return; fi
    say "making an S3 server in $DIR/s3"
    stop_s3
    rm -rf "$DIR/s3"
    quietly "$log" make_s3_files
    start_ceph mon.a ceph-mon -i a
    quietly "$log" make_osd
    start_ceph osd.0 ceph-osd -i 0
    quietly "$log" make_user
}

# --- starting and stopping -----------------------------------------------------

# Starts a server, which writes its pid by itself, unless it runs.
start_ceph() {
    local name=$1
    shift
    if pid_of "$DIR/s3/$name.pid" >/dev/null; then return; fi
    rm -f "$DIR/s3/$name.pid"
    (cd "$DIR/s3" && ceph_tool "$@" </dev/null >>"$DIR/log/s3.log" 2>&1 9>&-) ||
        die "$1 did not start (log: $DIR/log/s3.log, $DIR/s3/log/)"
    wait_until 10 pid_of "$DIR/s3/$name.pid" >/dev/null ||
        die "$1 ended at once (log: $DIR/s3/log/)"
}

s3_answers() {
    curl -s --noproxy '*' --max-time 5 --cacert "$DIR/s3/ca.crt" -o "$DIR/s3/log/answer" "$(s3_url)"
}

start_s3() {
    make_s3
    say "starting the S3 server"
    start_ceph mon.a ceph-mon -i a
    start_ceph osd.0 ceph-osd -i 0
    start_ceph client.rgw radosgw -n client.rgw
    wait_until 60 s3_answers || die "the S3 server does not answer (log: $DIR/s3/log/)"
    local bucket
    for bucket in "$S3_BUCKET" "$S3_BACKUP"; do
        quietly "$DIR/log/s3.log" s3cmd -c "$DIR/s3/s3cfg" mb "s3://$bucket"
    done
}

# The gateway first, the monitor last.
stop_s3() {
    local name pid
    for name in client.rgw osd.0 mon.a; do
        if pid=$(pid_of "$DIR/s3/$name.pid"); then stop TERM "$pid"; fi
        rm -f "$DIR/s3/$name.pid"
    done
}

s3_state() {
    local name alive=0
    for name in mon.a osd.0 client.rgw; do
        if pid_of "$DIR/s3/$name.pid" >/dev/null; then alive=$((alive + 1)); fi
    done
    case $alive in
    0) echo down ;;
    3) if s3_answers; then echo healthy; else echo unhealthy; fi ;;
    *) echo unhealthy ;;
    esac
}

# --- exporting there -----------------------------------------------------------

s3_key() { sed -n "s/^$1 = //p" "$DIR/s3/s3cfg"; }

# Seals the secret key, as the user who runs the exports and with a key of its own.
seal_s3_key() {
    local make=() key=$DIR/var/millrace.key
    if [[ ! -e $key ]]; then make=(--make-key); fi
    s3_key secret_key |
        as "$WEB_USER" "$DIR/install/sbin/millrace-admin" -k "$key" seal "${make[@]}"
}

s3_destination() {
    printf '%s\n' "bucket = $1" "endpoint = $(s3_url)" "ca_file = $DIR/s3/ca.crt" \
        "access_key = $(s3_key access_key)" "secret_key = $2"
}

# Turns the export from the folder, as write_ini wrote it, to the buckets.
export_to_s3() {
    local ini=$DIR/millrace.ini new=$DIR/millrace.ini.new secret
    local folder="bucket = file://$DIR/export"
    if grep -qxF "endpoint = $(s3_url)" "$ini"; then return; fi
    grep -qxF "$folder" "$ini" ||
        die "$ini no longer exports to $DIR/export: write there where to, or use another --dir"
    if [[ $(ls -A "$DIR/export") ]]; then
        say "what was exported until now stays in $DIR/export; the bucket gets what is new"
    fi
    secret=$(seal_s3_key) || die "the secret key could not be sealed"
    # It takes over the mode and group that write_ini gave it.
    cp -p "$ini" "$new"
    awk -v folder="$folder" -v key="key_file = $DIR/var/millrace.key" \
        -v bucket="$(s3_destination "$S3_BUCKET" "$secret")" \
        -v backup="$(s3_destination "$S3_BACKUP" "$secret")" '
        /^;key_file =/ { print key; next }
        $0 == folder { print bucket; next }
        { print }
        $0 == "[backup]" { print backup }' "$ini" >"$new"
    mv "$new" "$ini"
}

s3_status() {
    if ! has_s3; then return; fi
    printf '%s=%s\n' s3 "$(s3_url)" s3_bucket "$S3_BUCKET" s3_backup_bucket "$S3_BACKUP" \
        s3_ca_file "$DIR/s3/ca.crt" s3_config "$DIR/s3/s3cfg" s3_status "$(s3_state)"
}

s3_lines() {
    cat <<END
See what is in the buckets:
  s3cmd -c $DIR/s3/s3cfg ls -r s3://$S3_BUCKET
  s3cmd -c $DIR/s3/s3cfg ls -r s3://$S3_BACKUP
END
}
