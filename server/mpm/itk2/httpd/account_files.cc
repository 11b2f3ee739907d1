// What it is: see account_files.h. The entries are parsed by the C library, as in its own search.
#include "httpd/account_files.h"

#include <dlfcn.h>
#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace itk2::httpd {
namespace {

class File {
  public:
    explicit File(const char *path) : stream_(fopen(path, "re")) {}
    ~File() {
        if (stream_ != nullptr) fclose(stream_);
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;

    [[nodiscard]] FILE *stream() const { return stream_; }

  private:
    FILE *stream_;
};

bool read_whole(const char *path, GrowingArray<char> &text) {
    const File file(path);
    if (file.stream() == nullptr) return false;
    char part[4096];
    while (const std::size_t length = fread(part, 1, sizeof part, file.stream())) text.add_all({part, length});
    return ferror(file.stream()) == 0 && !text.has_failed();
}

// "files" passes over these: they are another service's ("compat").
bool is_other_services(const char *name) { return name[0] == '+' || name[0] == '-'; }

// The service's module, as the C library loads it; null where the machine has none. It stays loaded: the C library does
// not unload any either.
void *module_of(std::string_view service) {
    char name[64];
    const int length =
        snprintf(name, sizeof name, "libnss_%.*s.so.2", static_cast<int>(service.size()), service.data());
    return length > 0 && static_cast<std::size_t>(length) < sizeof name ? dlopen(name, RTLD_NOW) : nullptr;
}

template <typename Function> Function function_of(void *module, std::string_view service, const char *what) {
    char name[96];
    snprintf(name, sizeof name, "_nss_%.*s_%s", static_cast<int>(service.size()), service.data(), what);
    return reinterpret_cast<Function>(dlsym(module, name));
}

// What this service lists is all that it answers when it is asked for one, but for root and nobody, which are in the
// files (nss-systemd.c); and to be asked costs it a directory's reading and a question to another process each time.
constexpr std::string_view listed_service = "systemd";

struct ListFunctions {
    const char *begin;
    const char *next;
    const char *end;
};

// add(entry) for each that the service lists. False where it has no list.
template <typename Entry, typename Add> bool list(void *module, const ListFunctions &names, Add add) {
    const auto begin = function_of<nss_status (*)(int)>(module, listed_service, names.begin);
    const auto next =
        function_of<nss_status (*)(Entry *, char *, std::size_t, int *)>(module, listed_service, names.next);
    const auto end = function_of<nss_status (*)()>(module, listed_service, names.end);
    GrowingArray<char> room;
    if (begin == nullptr || next == nullptr || end == nullptr || room.extend(4096) == nullptr) return false;
    // Not to be reached is what it would say to each question as well.
    nss_status status = begin(0);
    while (status == NSS_STATUS_SUCCESS) {
        Entry entry{};
        int error = 0;
        status = next(&entry, room.items().data(), room.size(), &error);
        if (status == NSS_STATUS_SUCCESS) add(entry);
        if (status != NSS_STATUS_TRYAGAIN || error != ERANGE) continue;
        if (room.extend(room.size()) == nullptr) break;
        status = NSS_STATUS_SUCCESS;
    }
    end();
    return status == NSS_STATUS_NOTFOUND || status == NSS_STATUS_UNAVAIL;
}

} // namespace

AccountFiles::AccountFiles(const char *directory) {
    char nsswitch[256];
    char passwd[256];
    char group[256];
    snprintf(nsswitch, sizeof nsswitch, "%s/nsswitch.conf", directory);
    snprintf(passwd, sizeof passwd, "%s/passwd", directory);
    snprintf(group, sizeof group, "%s/group", directory);
    GrowingArray<char> text;
    if (!read_whole(nsswitch, text) || !read_users(passwd) || !read_groups(group)) return;
    add_services({text.items().data(), text.size()});
    if (book_.finish()) return;
    users_ = groups_ = {};
    tells_memberships_ = false;
}

void AccountFiles::add_services(std::string_view nsswitch) {
    if (const auto behind = plan::services_behind_files(nsswitch, "passwd", false)) {
        users_ = {true, true};
        for (std::size_t i = 0; i < behind->count; i++) add_user_service(behind->names[i]);
    }
    if (const auto behind = plan::services_behind_files(nsswitch, "group", true)) {
        groups_ = {true, true};
        // A line for "initgroups" would count instead of that for "group".
        tells_memberships_ = nsswitch.find("initgroups") == std::string_view::npos;
        for (std::size_t i = 0; i < behind->count; i++) add_group_service(behind->names[i]);
    }
}

void AccountFiles::add_user_service(std::string_view service) {
    void *module = module_of(service);
    if (module == nullptr) return;
    const bool is_listed = service == listed_service && list<passwd>(module, {"setpwent", "getpwent_r", "endpwent"},
                                                                     [this](const passwd &entry) { add(entry); });
    if (!is_listed) users_.is_whole = false;
}

void AccountFiles::add_group_service(std::string_view service) {
    void *module = module_of(service);
    if (module == nullptr) return;
    const bool is_listed = service == listed_service && list<group>(module, {"setgrent", "getgrent_r", "endgrent"},
                                                                    [this](const group &entry) { add(entry); });
    if (is_listed) return;
    groups_.is_whole = false;
    services_[service_count_] = function_of<AskForGroups>(module, service, "initgroups_dyn");
    if (services_[service_count_++] == nullptr) tells_memberships_ = false;
}

void AccountFiles::add(const passwd &entry) {
    if (!is_other_services(entry.pw_name)) book_.add_user(entry.pw_name, entry.pw_uid, entry.pw_gid);
}

void AccountFiles::add(const group &entry) {
    if (!is_other_services(entry.gr_name)) book_.add_group(entry.gr_name, entry.gr_gid);
    for (char **member = entry.gr_mem; *member != nullptr; member++) book_.add_member(*member, entry.gr_gid);
}

bool AccountFiles::read_users(const char *path) {
    const File file(path);
    if (file.stream() == nullptr) return false;
    while (const passwd *entry = fgetpwent(file.stream())) add(*entry);
    return ferror(file.stream()) == 0 && feof(file.stream()) != 0;
}

bool AccountFiles::read_groups(const char *path) {
    const File file(path);
    if (file.stream() == nullptr) return false;
    while (const group *entry = fgetgrent(file.stream())) add(*entry);
    return ferror(file.stream()) == 0 && feof(file.stream()) != 0;
}

namespace {

using Found = AccountFiles::Found;

template <typename Value> Found answer(const std::optional<Value> &found, bool is_whole, Value &value) {
    if (!found) return is_whole ? Found::no : Found::unknown;
    value = *found;
    return Found::yes;
}

} // namespace

Found AccountFiles::find_user(const char *name, plan::AccountBook::User &user) const {
    return users_.begins ? answer(book_.find_user(name), users_.is_whole, user) : Found::unknown;
}

Found AccountFiles::find_user(uid_t uid, plan::AccountBook::User &user) const {
    return users_.begins ? answer(book_.find_user(uid), users_.is_whole, user) : Found::unknown;
}

Found AccountFiles::find_group(const char *name, gid_t &gid) const {
    return groups_.begins ? answer(book_.find_group(name), groups_.is_whole, gid) : Found::unknown;
}

bool AccountFiles::find_groups(const char *user, gid_t gid, GrowingArray<gid_t> &groups) const {
    if (!tells_memberships_) return false;
    book_.each_group_of(user, [&groups](gid_t member_of) { groups.add(member_of); });
    for (std::size_t i = 0; i < service_count_; i++) {
        long size = 64;
        long count = 1;
        auto *found = static_cast<gid_t *>(malloc(static_cast<std::size_t>(size) * sizeof(gid_t)));
        if (found == nullptr) return false;
        found[0] = gid;
        int error = 0;
        // What it says when it cannot tell is passed over, as the C library does.
        (void)services_[i](user, gid, &count, &size, &found, -1, &error);
        groups.add_all({found, static_cast<std::size_t>(count)});
        free(found);
    }
    return !groups.has_failed();
}

} // namespace itk2::httpd
