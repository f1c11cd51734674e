#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check_source.sh [ROOT]: the rules of the source tree that no compiler checks. Prints one line
# "file:line: reason" for each breach and ends with status 1 when there is any.
#
#   layer      which folder may include which (docs/ARCHITECTURE.md); `x_internal.h` stays in its folder
#   adapter    a third-party header is included by its one adapter file only; a header that is in no
#              list here is third-party too, until it is added
#   banned     functions that overflow, depend on the locale or start a shell; raw memory in the library
#              outside vecstore/base, where the allocator of struct vs_env is implemented
#   goto       only to the one label `done`
#   size       1,000 lines a file
#   spdx       the licence tag is the first line (the second below #!)
#   guard      headers have an include guard VS_…_H, and no #pragma once
#   todo       a note about work to do names its issue: TODO(#123)
#   name       no two files in the tree have the same name
#
# Exemptions are in tools/check_source.exempt: "rule file token   reason". One that exempts nothing is
# an error as well. Comments and string literals are not searched for functions.
set -eu
LC_ALL=C
export LC_ALL

root=${1:-$(dirname "$0")/..}
cd "$root"

list_files() {
    if [ -e .git ] && command -v git >/dev/null 2>&1; then
        git -c core.quotePath=off ls-files --cached --others --exclude-standard
    else
        find . \( -name .git -o -name build -o -name .deps -o -name .venv \) -prune -o -type f -print |
            sed 's,^\./,,'
    fi | sort -u | while IFS= read -r file; do
        [ ! -f "$file" ] || printf '%s\n' "$file"
    done
}

# One awk program over everything: it is given the list of files and opens them itself.
list_files | awk '
function breach(rule, file, line, token, reason) {
    if ((rule, file, token) in exempt) {
        used[rule, file, token] = 1
        return
    }
    printf "%s:%d: %s (%s)\n", file, line, reason, rule
    breaches++
}

function words(text, set,    n, i, part) {
    n = split(text, part, " ")
    for (i = 1; i <= n; i++) set[part[i]] = 1
}

# allow("index", "vecstore/base …"): folders whose headers a folder may include, besides its own.
function allow(folder, text,    n, i, part) {
    known[folder] = 1
    n = split(text, part, " ")
    for (i = 1; i <= n; i++) may[folder, part[i]] = 1
}

function adapter(pattern, file) {
    adapters++
    adapter_pattern[adapters] = pattern
    adapter_file[adapters] = file
}

function readable(pattern) {
    gsub(/\\/, "", pattern)
    gsub(/\[[^]]*\]\*?/, "*", pattern)
    gsub(/\|/, " and ", pattern)
    return pattern
}

# The folder of the table that a path belongs to: the longest that is known.
function folder_of(path,    part, n, i, candidate, best) {
    n = split(path, part, "/")
    candidate = ""
    best = ""
    for (i = 1; i < n; i++) {
        candidate = candidate (i > 1 ? "/" : "") part[i]
        if (candidate in known) best = candidate
    }
    return best
}

function base_name(path) {
    sub(/.*\//, "", path)
    return path
}

function dir_name(path) {
    return sub(/\/[^\/]*$/, "", path) ? path : ""
}

# Blanks comments and the inside of literals out; `in_comment` lives across lines.
function code_of(line,    out, i, c, two, quote) {
    out = ""
    quote = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (in_comment) {
            if (two == "*/") {
                in_comment = 0
                i++
            }
            out = out " "
        } else if (quote != "") {
            if (c == "\\") i++
            else if (c == quote) {
                quote = ""
                out = out c
            }
        } else if (two == "//") {
            break
        } else if (two == "/*") {
            in_comment = 1
            i++
        } else {
            if (c == "\"" || c == "\047") quote = c
            out = out c
        }
    }
    return out
}

# Calls of banned functions; members (env->free, table.free) and longer names are something else.
function check_calls(file, number, code,    rest, name, before, at) {
    rest = code
    at = 0
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
        name = substr(rest, RSTART, RLENGTH - 1)
        sub(/[ \t]+$/, "", name)
        before = substr(code, 1, at + RSTART - 1)
        sub(/[ \t]+$/, "", before)
        at += RSTART + RLENGTH - 1
        rest = substr(code, at + 1)
        if (before ~ /(\.|->)$/) continue
        if (name in banned && !(name == "popen" && file ~ /^tests\//)) {
            breach("banned", file, number, name, name "() is banned")
        } else if (name in raw_memory && file !~ /^(vecstore\/base|tests|bench|examples)\//) {
            breach("banned", file, number, name, "raw " name "() outside vecstore/base: use struct vs_env")
        }
    }
}

function check_own_include(file, number, path,    from, to) {
    if (path !~ /\//) {
        breach("layer", file, number, path, "\"" path "\" is not written from the root of the tree")
        return
    }
    if (path ~ /_internal\.h$/ && dir_name(path) != dir_name(file) && file !~ /^tests\//) {
        breach("layer", file, number, path, path " is private to " dir_name(path))
        return
    }
    if (file ~ /^tests\//) return
    from = folder_of(file)
    to = folder_of(path)
    if (to == "") {
        breach("layer", file, number, path, path " is in no folder of the map")
    } else if (from == "") {
        breach("layer", file, number, path, file " is in no folder of the map")
    } else if (from != to && !((from, to) in may) && !((from, path) in may)) {
        breach("layer", file, number, path, from " may not include " path)
    }
}

function check_system_include(file, number, path,    i) {
    if (file ~ /^(tests|bench)\//) return
    if (path in system_header || path ~ /^(sys|netinet|arpa|linux)\//) return
    for (i = 1; i <= adapters; i++) {
        if (path ~ adapter_pattern[i]) {
            if (file !~ ("^(" adapter_file[i] ")$"))
                breach("adapter", file, number, path, "<" path "> belongs to " readable(adapter_file[i]) " alone")
            return
        }
    }
    breach("adapter", file, number, path, "<" path "> is in no list of tools/check_source.sh")
}

function check_c_line(file, number, line,    code, path) {
    code = code_of(line)
    if (line ~ /^[ \t]*#[ \t]*include[ \t]*"/ && code !~ /^[ \t]*$/) {
        path = line
        sub(/^[^"]*"/, "", path)
        sub(/".*/, "", path)
        check_own_include(file, number, path)
    } else if (code ~ /^[ \t]*#[ \t]*include[ \t]*</) {
        path = code
        sub(/^[^<]*</, "", path)
        sub(/>.*/, "", path)
        check_system_include(file, number, path)
    } else if (code ~ /^[ \t]*#[ \t]*pragma[ \t]+once/) {
        breach("guard", file, number, "once", "#pragma once: use an include guard")
    } else if (code ~ /^[ \t]*#[ \t]*ifndef[ \t]+VS_[A-Z0-9_]*_H[ \t]*$/) {
        guarded = 1
    } else {
        check_calls(file, number, code)
        if (code ~ /(^|[^A-Za-z0-9_])goto[ \t]+/ && code !~ /(^|[^A-Za-z0-9_])goto[ \t]+done[ \t]*;/)
            breach("goto", file, number, "goto", "goto to another label than done")
    }
}

function check_file(file,    line, number, is_c, is_script, tag) {
    is_c = file ~ /\.[ch]$/
    is_script = file ~ /\.(sh|py|cmake)$/ || file ~ /(^|\/)CMakeLists\.txt$/ || file == "dev" || file == ".ci/run"
    if (!is_c && !is_script) return
    in_comment = 0
    guarded = 0
    number = 0
    tag = 0
    while ((getline line < file) > 0) {
        number++
        if (line ~ /SPDX-License-Identifier: / && (number == 1 || (number == 2 && is_script))) tag = 1
        # The marker is spelled in two parts, so that this line does not find itself.
        if (index(line, "TO" "DO") && line !~ ("TO" "DO\\(#[0-9]+\\)") && line ~ ("(^|[^A-Za-z])TO" "DO([^A-Za-z]|$)"))
            breach("todo", file, number, "todo", "work to do without an issue: write it as TO" "DO(#123)")
        if (is_c) check_c_line(file, number, line)
    }
    close(file)
    if (!tag) breach("spdx", file, 1, "spdx", "no SPDX-License-Identifier in the first line")
    if (number > 1000) breach("size", file, number, "size", number " lines: a file has at most 1000")
    if (file ~ /\.h$/ && !guarded) breach("guard", file, 1, "guard", "no include guard VS_…_H")
}

function check_name(file,    name) {
    name = base_name(file)
    if (name ~ /^(CMakeLists\.txt|README\.md|\..*)$/ || name ~ /\.cmake$/) return
    if (file ~ /^tests\/(golden|fuzz\/corpus)\//) return
    if (name in seen) breach("name", file, 1, name, "the name is taken by " seen[name])
    else seen[name] = file
    if (file ~ /\.[ch]$/ && name !~ /^[a-z][a-z0-9_]*\.[ch]$/)
        breach("name", file, 1, name, "file names are snake_case")
}

function read_exemptions(file,    line, part, n, number) {
    number = 0
    while ((getline line < file) > 0) {
        number++
        if (line ~ /^[ \t]*(#|$)/) continue
        n = split(line, part, /[ \t]+/)
        if (n < 4) {
            printf "%s:%d: an exemption is \"rule file token reason\" (exempt)\n", file, number
            breaches++
            continue
        }
        exempt[part[1], part[2], part[3]] = number
    }
    close(file)
}

BEGIN {
    exempt_file = "tools/check_source.exempt"
    all_vecstore = "vecstore/base vecstore/object vecstore/format vecstore/govern vecstore/iceberg vecstore/catalog"
    allow("simd", "")
    allow("vecstore/base", "")
    allow("vecstore/object", "vecstore/base")
    allow("vecstore/format", "vecstore/base")
    allow("vecstore/govern", "vecstore/base vecstore/object")
    allow("vecstore/iceberg", "vecstore/base vecstore/object vecstore/format")
    allow("vecstore/catalog", "vecstore/base vecstore/object vecstore/iceberg")
    allow("index", "vecstore/base vecstore/object vecstore/format simd")
    allow("ingest", all_vecstore " index")
    allow("api/query", all_vecstore " index simd api/vecstore.h") # the public structs are its arguments
    allow("api", all_vecstore " index simd api/query ingest") # puts warehouse, catalog and engine together (ADR 3)
    allow("api/http", "vecstore/base api/vecstore.h simd") # base64 of vectors (ADR 4)
    allow("api/cli", "vecstore/base api/vecstore.h api/http/server.h")
    allow("bench", "vecstore/base vecstore/object vecstore/format vecstore/iceberg api/vecstore.h api/query/filter.h index simd")
    allow("examples", "api/vecstore.h")

    adapter("^yyjson\\.h$", "vecstore/base/json\\.c")
    adapter("^openssl/", "vecstore/base/crypto\\.c")
    adapter("^(lz4|lz4hc|lz4frame|snappy-c)\\.h$", "vecstore/format/codec\\.c")
    adapter("^zlib\\.h$", "vecstore/format/codec_zlib\\.c")
    adapter("^(zstd|zstd_errors)\\.h$", "vecstore/format/codec_zstd\\.c")
    adapter("^brotli/", "vecstore/format/codec_brotli\\.c")
    adapter("^curl/", "vecstore/object/http_lane\\.c")
    adapter("^sqlite3\\.h$", "vecstore/catalog/catalog_sql\\.c")
    adapter("^microhttpd\\.h$", "api/http/server_mhd\\.c")
    adapter("^(faiss|faiss_c)/|^(cblas|lapacke|openblas_config|omp)\\.h$", "index/trainer_faiss\\.c")
    adapter("^roaring/", "vecstore/base/bitmap\\.c")
    adapter("^(immintrin|x86intrin|nmmintrin|cpuid|arm_neon|arm_acle)\\.h$", \
        "simd/[a-z0-9_]*\\.[ch]|vecstore/base/crc32c\\.c")

    words("strcpy strcat stpcpy strncpy strncat sprintf vsprintf strtok strtok_r atoi atol atoll atof " \
        "gets alloca rand srand system popen tmpnam mktemp", banned)
    words("malloc calloc realloc reallocarray aligned_alloc posix_memalign free strdup strndup asprintf vasprintf", \
        raw_memory)
    # C17, then POSIX and Linux
    words("assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h limits.h locale.h math.h " \
        "setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h " \
        "stdnoreturn.h string.h tgmath.h threads.h time.h uchar.h wchar.h wctype.h", system_header)
    words("dirent.h dlfcn.h endian.h fcntl.h fnmatch.h ftw.h getopt.h glob.h ifaddrs.h langinfo.h libgen.h " \
        "malloc.h netdb.h poll.h pthread.h pwd.h regex.h sched.h semaphore.h spawn.h strings.h syslog.h " \
        "termios.h unistd.h", system_header)

    read_exemptions(exempt_file)
}

{
    check_name($0)
    check_file($0)
    files++
}

END {
    for (key in exempt) {
        if (key in used) continue
        split(key, part, SUBSEP)
        printf "%s:%d: exempts nothing: %s %s %s (exempt)\n", exempt_file, exempt[key], part[1], part[2], part[3]
        breaches++
    }
    if (files == 0) {
        print "check_source: no files found"
        exit 1
    }
    if (breaches > 0) {
        printf "%d breaches in %d files; the rules are explained at the top of tools/check_source.sh\n", breaches, files
        exit 1
    }
    printf "%d files keep the rules\n", files
}
'
