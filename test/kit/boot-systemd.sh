#!/bin/sh
# boot-systemd.sh NAME UNITS - a systemd of its own as PID 1 of new namespaces, started by
# `unshare --mount --pid --fork --ipc --uts --mount-proc`; it sees this machine's files, and none of its services.
# NAME: of its control groups. UNITS: the only units that it knows, beside those in UNITS/etc.
set -eu
name=$1 units=$2

if [ "${3-}" != inside ]; then
    mount --make-rprivate /
    # A group of its own in each hierarchy, which is the root of what it sees. Not for the CPU (version 1): all of it
    # together would have the share of one process beside the others of the machine.
    while read -r _ folder type options _; do
        case $type:$options in cgroup2:* | *,memory | *,pids | *,name=systemd) ;; *) continue ;; esac
        mkdir "$folder/$name"
        echo $$ > "$folder/$name/cgroup.procs"
    done < /proc/self/mounts
    exec unshare --cgroup /bin/sh "$0" "$name" "$units" inside
fi

hierarchies=$(awk '$2 ~ "^/sys/fs/cgroup" && ($3 == "cgroup2" || $4 ~ /,(memory|pids|name=systemd)$/) { print $2, $3, $4 }' \
    /proc/self/mounts)
umount --recursive /sys/fs/cgroup
case $hierarchies in
*' cgroup '*) mount -t tmpfs tmpfs /sys/fs/cgroup ;;
esac
echo "$hierarchies" | while read -r folder type options; do
    mkdir -p "$folder"
    case $type in
    cgroup2) mount -t cgroup2 cgroup2 "$folder" ;;
    *) mount -t cgroup -o "$(echo "$options" | sed 's/\(rw\|relatime\),//g')" cgroup "$folder" ;;
    esac
done

mount --bind "$units" /lib/systemd/system
mount --bind "$units/etc" /etc/systemd/system
mount -t tmpfs tmpfs /lib/systemd/system-generators
for folder in /run /var/cache; do mount -t tmpfs tmpfs "$folder"; done
mkdir /run/lock
export container=lxc
exec /lib/systemd/systemd --system --unit=multi-user.target
