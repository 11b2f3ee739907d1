// What it is: see path_owner.h.
#include "os/path_owner.h"

#include "os/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace itk2::os {
namespace {

constexpr int most_symlinks = 40; // the kernel's own limit
constexpr uid_t nobody_yet = UINT32_MAX;
constexpr int looking = O_PATH | O_CLOEXEC;

// Goes down a path one name after the other, as the kernel does, and sees each directory and symlink by itself.
class Walk {
  public:
    explicit Walk(Sight sight) : sight_(sight) {}

    PathOwner run(const char *path) {
        if (path[0] != '/' || strlen(path) >= rest_.size()) return failed_with(path[0] != '/' ? EINVAL : ENAMETOOLONG);
        strcpy(rest_.data(), path);
        if (!begin_at_root()) return failed_with(errno);
        while (take_name())
            if (!go_down()) return ended_;
        return owner_of_here();
    }

  private:
    static PathOwner failed_with(int error) { return {PathOwner::Outcome::failed, 0, 0, error}; }
    bool end(const PathOwner &owner) {
        ended_ = owner;
        return false;
    }

    bool begin_at_root() {
        here_.reset(open("/", looking | O_DIRECTORY));
        return here_.is_open() && fstat(here_.get(), &seen_) == 0;
    }

    // The first name of the rest; false where there is none.
    bool take_name() {
        const char *begin = rest_.data();
        while (*begin == '/') begin++;
        const std::size_t length = strcspn(begin, "/");
        if (length == 0) return false;
        memcpy(name_.data(), begin, length);
        name_[length] = '\0';
        memmove(rest_.data(), begin + length, strlen(begin + length) + 1);
        return true;
    }

    bool go_down() {
        if (sight_ == Sight::anybodys && (seen_.st_mode & S_IXOTH) == 0) return end(owner_of_here());
        Fd next(openat(here_.get(), name_.data(), looking | O_NOFOLLOW));
        if (!next.is_open()) return end(what_stops());
        struct stat about {};
        if (fstat(next.get(), &about) != 0) return end(failed_with(errno));
        if (S_ISLNK(about.st_mode)) return follow(next.get(), about);
        if (!S_ISDIR(about.st_mode)) return end({PathOwner::Outcome::missing, 0, 0, ENOTDIR});
        here_ = std::move(next);
        seen_ = about;
        return true;
    }

    PathOwner what_stops() {
        if (errno == EACCES) return owner_of_here();
        if (errno == ENOENT || errno == ENOTDIR) return {PathOwner::Outcome::missing, 0, 0, errno};
        return failed_with(errno);
    }

    bool follow(int symlink, const struct stat &about) {
        if (++symlinks_ > most_symlinks) return end(failed_with(ELOOP));
        if (about.st_uid != 0) {
            if (led_by_ != nobody_yet && led_by_ != about.st_uid) is_led_by_two_ = true;
            led_by_ = about.st_uid;
        }
        std::array<char, PATH_MAX> target;
        const ssize_t length = readlinkat(symlink, "", target.data(), target.size());
        if (length < 0) return end(failed_with(errno));
        const std::size_t rest = strlen(rest_.data());
        if (static_cast<std::size_t>(length) + rest >= rest_.size()) return end(failed_with(ENAMETOOLONG));
        memmove(rest_.data() + length, rest_.data(), rest + 1);
        memcpy(rest_.data(), target.data(), static_cast<std::size_t>(length));
        return rest_[0] != '/' || begin_at_root() || end(failed_with(errno));
    }

    [[nodiscard]] PathOwner owner_of_here() const {
        if (is_led_by_two_ || (led_by_ != nobody_yet && led_by_ != seen_.st_uid))
            return {PathOwner::Outcome::others_symlink, seen_.st_uid, seen_.st_gid, 0};
        return {PathOwner::Outcome::found, seen_.st_uid, seen_.st_gid, 0};
    }

    Sight sight_;
    std::array<char, PATH_MAX> rest_{};
    std::array<char, PATH_MAX> name_{};
    Fd here_;
    struct stat seen_ {}; // of here_
    PathOwner ended_;
    uid_t led_by_ = nobody_yet; // who has made a symlink on the way; root does not count
    bool is_led_by_two_ = false;
    int symlinks_ = 0;
};

} // namespace

PathOwner find_path_owner(const char *path, Sight sight) { return Walk{sight}.run(path); }

} // namespace itk2::os
