#!/bin/sh
# Takes another version of uap-core's regexes.yaml.
# usage: refresh.sh VERSION        from the npm package uap-core of that version
#        refresh.sh FILE VERSION   from a file of the repository, VERSION as it is to be shown
set -eu
folder=$(cd "$(dirname "$0")" && pwd)

case $# in
1)
    version=$1
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    (cd "$scratch" && npm pack --silent "uap-core@$version" >/dev/null && tar -xzf uap-core-*.tgz)
    file=$scratch/package/regexes.yaml
    ;;
2)
    file=$1
    version=$2
    ;;
*)
    sed -n '3,4s/^# //p' "$0" >&2
    exit 2
    ;;
esac

for section in user_agent_parsers os_parsers device_parsers; do
    grep -q "^$section:" "$file" || { echo "$file: no $section" >&2; exit 1; }
done
cp "$file" "$folder/regexes.yaml"
chmod 644 "$folder/regexes.yaml"
printf '%s\n' "$version" >"$folder/VERSION"
echo "uap-core $version: $(grep -c -- '- regex:' "$folder/regexes.yaml") rules" >&2
