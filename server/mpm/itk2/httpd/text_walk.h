// What it is: what the sections that hold for a request say about its identity, found from texts alone: httpd's walks
// look at the files, and may do so only as the site's user.
// Runs as: a parser or a worker. Leaves the request as it is.
#pragma once

#include "httpd/apache.h"
#include "httpd/sources.h"

namespace itk2::httpd {

class TextWalk {
  public:
    explicit TextWalk(request_rec *request) : request_(request), evaluated_(request) {}

    // The server's own level, then Directory, Files, Location and If; or Proxy instead of the first two.
    DirConfig run();

    // For expressions: the request itself, or a copy where sections have set something in it, or conditions would.
    request_rec *evaluated();

  private:
    using Section = const ap_conf_vector_t *;
    using Sections = std::span<const Section>;
    struct Pattern {
        const ap_regex_t *regex;
        const apr_array_header_t *names;
    };

    void add_directories(const char *path);
    void add_proxies(const char *name);
    void add_files(const char *name);
    void add_locations();
    void add_conditions(const apr_array_header_t *sections, int depth);
    void add(Section section);
    bool matches(const Pattern &pattern, const char *text);
    const char *name_of_file(const char *path) const;

    request_rec *request_;
    request_rec *evaluated_;
    DirConfig found_;
    apr_array_header_t *files_ = nullptr;      // Files sections that may hold
    apr_array_header_t *conditions_ = nullptr; // If sections that may hold
};

} // namespace itk2::httpd
