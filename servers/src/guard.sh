# Runs a server until whoever started this ends, in whatever way: standard input is a pipe that ends with it. A line on
# it says that the server was told to end by other means and that the folder is wanted still.
# Usage: guard.sh FOLDER SIGNAL SERVER...
folder=$1 signal=$2
shift 2
"$@" 1>&2 &
echo $!
exec 2>&-
if read -r _; then
    wait
    exit
fi
kill -CONT $! && kill -"$signal" $!
wait
rm -rf "$folder"
