// What it is: what a request is to run as, found out twice: before a file of the site is touched, from the path's text;
// and from what httpd has merged.
// Runs as: a parser or a worker. Distrusts: everything the client sent; an expression may yield anything.
#pragma once

#include "httpd/apache.h"
#include "plan/wish.h"

namespace itk2::httpd {

enum class Wished : std::uint8_t {
    found,
    refused, // nothing may run: answer 500
    later    // the account database did not answer, which it may do another time: answer 503
};

// Both write one line in the log where they do not find it.
// After translate_name, at map_to_storage: Directory sections by the text of r->filename, then Files, Location, If, in
// httpd's order. Leaves the request as it is.
Wished wish_by_text(request_rec *request, plan::Wish &wish);
// After the walks, at post_perdir_config: the same from r->per_dir_config.
Wished wish_by_config(request_rec *request, plan::Wish &wish);

// What every request to a decided server runs as; false where it is not decided. Writes no line.
bool wish_of_server(const server_rec *server, plan::Wish &wish);

} // namespace itk2::httpd
