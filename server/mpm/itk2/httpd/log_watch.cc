// What it is: see log_watch.h. mod_log_config tells no one what it opens; but whoever takes the place of its writer's
// beginning is called for each log, with its virtual host.
#include "httpd/log_watch.h"

#include <mod_log_config.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace itk2::httpd {
namespace {

constinit apr_array_header_t *opened = nullptr;
constinit ap_log_writer_init *open_log = nullptr;

// The numbers that the next descriptors get: the lowest free ones, always.
class NextNumbers {
  public:
    NextNumbers() {
        for (int &number : numbers_) number = fcntl(STDIN_FILENO, F_DUPFD, STDERR_FILENO + 1);
        for (const int number : numbers_)
            if (number >= 0) close(number);
    }
    template <typename Use> void each_taken(Use use) const {
        for (const int number : numbers_)
            if (number >= 0 && fcntl(number, F_GETFD) >= 0) use(number);
    }

  private:
    std::array<int, 4> numbers_{}; // a file is one; a pipe to a program two, and a moment of two more
};

void *note_log(apr_pool_t *pool, server_rec *server, const char *name) {
    const NextNumbers next;
    void *const handle = open_log(pool, server, name);
    next.each_taken([server](int number) { APR_ARRAY_PUSH(opened, OpenedLog) = {number, server}; });
    return handle;
}

} // namespace

void watch_logs(apr_pool_t *pconf) {
    opened = apr_array_make(pconf, 16, sizeof(OpenedLog));
    auto *const set_writer_init = APR_RETRIEVE_OPTIONAL_FN(ap_log_set_writer_init);
    if (set_writer_init == nullptr) return; // mod_log_config is not loaded
    open_log = set_writer_init(note_log);
}

const apr_array_header_t *opened_logs() { return opened; }

} // namespace itk2::httpd
