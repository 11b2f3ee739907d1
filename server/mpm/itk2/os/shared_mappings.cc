// What it is: see shared_mappings.h.
#include "os/shared_mappings.h"

#include "os/fd.h"
#include "os/mapping_lines.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace itk2::os {

namespace {

// Whether others share it.
bool note_area(const MappingLine &line, SharedArea &area) {
    area.start = line.start;
    area.size = line.end - line.start;
    area.offset = line.offset;
    area.inode = {line.device, line.inode};
    area.protection = (line.permissions[0] == 'r' ? PROT_READ : 0) | (line.permissions[1] == 'w' ? PROT_WRITE : 0) |
                      (line.permissions[2] == 'x' ? PROT_EXEC : 0);
    area.may_be_written = line.permissions[1] == 'w';
    return line.permissions[3] == 's' || line.permissions[3] == 'S';
}

// linux/fs.h since Linux 6.11: one mapping with these properties, the first that ends beyond an address.
struct Query {
    std::uint64_t size = sizeof(Query);
    std::uint64_t wanted = 0;
    std::uint64_t address = 0;
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t properties = 0;
    std::uint64_t page_size = 0;
    std::uint64_t offset = 0;
    std::uint64_t inode = 0;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::uint32_t name_size = 0;
    std::uint32_t build_id_size = 0;
    std::uint64_t name = 0;
    std::uint64_t build_id = 0;
};
static_assert(sizeof(Query) == 104);
constexpr unsigned long query_mapping = _IOWR('f', 17, Query);
constexpr std::uint64_t readable = 0x01, writable = 0x02, executable = 0x04, shared = 0x08, or_next = 0x10;

SharedArea area_of(const Query &query) {
    SharedArea area;
    area.start = query.start;
    area.size = query.end - query.start;
    area.offset = query.offset;
    area.inode = {makedev(query.device_major, query.device_minor), query.inode};
    area.protection = ((query.properties & readable) != 0 ? PROT_READ : 0) |
                      ((query.properties & writable) != 0 ? PROT_WRITE : 0) |
                      ((query.properties & executable) != 0 ? PROT_EXEC : 0);
    area.may_be_written = (query.properties & writable) != 0;
    return area;
}

// False: this kernel does not answer.
bool ask_for_shared(std::span<SharedArea> room, std::size_t &count, Result &result) {
    const Fd maps{open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    Query query;
    query.wanted = shared | or_next;
    while (ioctl(maps.get(), query_mapping, &query) == 0) {
        if (count < room.size()) room[count] = area_of(query);
        count++;
        query.address = query.end;
    }
    result = errno == ENOENT ? success : failed(Step::verify_proc); // no more of them
    return errno != ENOTTY;
}

constexpr bool is_hexadecimal(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// A mapping's own line; smaps has others, which begin with a capital letter.
bool begins_mapping(const char *line) { return is_hexadecimal(line[0]); }

bool is_lock_file(int fd, LockFile &found) {
    struct stat about {};
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_nlink != 0) return false;
    const int flags = fcntl(fd, F_GETFL);
    if ((flags & O_ACCMODE) == O_RDONLY || (flags & (O_APPEND | O_PATH)) != 0) return false;
    if (const int seals = fcntl(fd, F_GET_SEALS); seals >= 0 && (seals & F_SEAL_WRITE) != 0) return false;
    found = {fd,
             (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0,
             {about.st_dev, about.st_ino},
             static_cast<std::uint64_t>(about.st_size)};
    return true;
}

} // namespace

Result list_shared_mappings(Thoroughness thoroughness, std::span<SharedArea> room, std::size_t &count) {
    count = 0;
    Result result;
    if (thoroughness == Thoroughness::quick && ask_for_shared(room, count, result)) return result;
    MappingLines lines{thoroughness == Thoroughness::thorough ? "/proc/self/smaps" : "/proc/self/maps"};
    SharedArea *last = nullptr;
    while (const char *line = lines.next()) {
        SharedArea mapping;
        if (!begins_mapping(line)) {
            if (last != nullptr && strncmp(line, "VmFlags:", 8) == 0)
                last->may_be_written = strstr(line, " mw") != nullptr;
            continue;
        }
        last = nullptr;
        MappingLine found;
        if (!read_mapping(line, found) || !note_area(found, mapping)) continue;
        if (count < room.size()) {
            room[count] = mapping;
            last = &room[count];
        }
        count++;
    }
    return lines.has_failed() ? failed(Step::verify_proc) : success;
}

Result list_lock_files(std::span<LockFile> room, std::size_t &count) {
    count = 0;
    DIR *open_files = opendir("/proc/self/fd");
    if (open_files == nullptr) return failed(Step::verify_proc);
    errno = 0;
    while (const dirent *entry = readdir(open_files)) {
        LockFile found{};
        if (entry->d_name[0] == '.' || !is_lock_file(atoi(entry->d_name), found)) continue;
        if (count < room.size()) room[count] = found;
        count++;
        errno = 0;
    }
    const Result read = errno != 0 ? failed(Step::verify_proc) : success;
    closedir(open_files);
    return read;
}

} // namespace itk2::os
