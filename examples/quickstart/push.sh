# SPDX-License-Identifier: MIT
while sleep 1; do
    load=$(cut -d' ' -f1 /proc/loadavg)
    curl -sf -d '{"channel":"load","data":{"load":"'"$load"'","at":"'"$(date +%T)"'"}}' \
        http://127.0.0.1:8080/api/publish >/dev/null || exit
done
