#!/bin/sh
# boot.sh WORK CGROUP: boots systemd on a copy of this system that is thrown
# away, in namespaces and a control group of its own.
set -e
WORK=$1 CGROUP=$2 R=$1/root
if [ -z "$INSIDE" ]; then
	for d in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
		[ -e $d/cgroup.procs ] || continue
		mkdir "$d/$CGROUP"
		echo $$ > "$d/$CGROUP/cgroup.procs"
	done
	INSIDE=yes exec unshare --mount --propagation private --pid --fork --kill-child --cgroup --net --uts --ipc sh "$0" "$@"
fi
ip link set lo up
mount -t tmpfs none "$WORK"
mkdir "$WORK/up" "$WORK/work" "$R"
mount -t overlay overlay -o lowerdir=/,upperdir="$WORK/up",workdir="$WORK/work" "$R"
mount -t proc proc "$R/proc"
mount --bind "$R/proc/sys" "$R/proc/sys"
mount -o remount,bind,ro "$R/proc/sys"
mount -t tmpfs tmpfs "$R/run"
mount -t tmpfs tmpfs "$R/tmp"
mount -t tmpfs tmpfs "$R/dev"
for d in null zero full random urandom tty; do
	touch "$R/dev/$d"
	mount --bind "/dev/$d" "$R/dev/$d"
done
mkdir "$R/dev/shm" "$R/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$R/dev/pts"
ln -s pts/ptmx "$R/dev/ptmx"
ln -s /proc/self/fd "$R/dev/fd"
mount -t tmpfs tmpfs "$R/sys"
mkdir -p "$R/sys/fs/cgroup"
if [ -e /sys/fs/cgroup/cgroup.procs ]; then
	mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
else
	mkdir "$R/sys/fs/cgroup/systemd" "$R/sys/fs/cgroup/unified"
	mount -t cgroup -o none,name=systemd cgroup "$R/sys/fs/cgroup/systemd"
	mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup/unified"
fi
rm -rf "$R"/etc/systemd/system/*.wants "$R"/lib/systemd/system/sockets.target.wants
rm -f "$R/var/lib/man-db/auto-update" "$R/usr/sbin/policy-rc.d"
for unit in systemd-firstboot systemd-machine-id-commit systemd-update-utmp systemd-udevd; do
	ln -sf /dev/null "$R/etc/systemd/system/$unit.service"
done
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' > "$R/etc/systemd/system/proof.target"
cd "$R"
mkdir -p oldroot
pivot_root . oldroot
umount -l /oldroot
mount --make-rshared /
exec env -i container=proof PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=proof.target --log-target=journal --show-status=false
