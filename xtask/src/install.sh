# Installs Debian packages without starting the services that come with some of them: the tests start servers of their
# own. A service that runs already goes on; one that is installed here starts with the machine's next boot, unless told.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
