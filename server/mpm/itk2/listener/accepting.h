// What it is: the first step: connections come in.
#pragma once

#include <cstdint>

namespace itk2::listener {

struct Connection;
struct Listener;
struct ListeningSocket;

// Watches the sockets of the generation in force.
void watch_sockets(Listener &listener);
void unwatch_sockets(Listener &listener);

// Takes what has come, as much as fits one turn, and looks at each.
void accept_some(Listener &listener, ListeningSocket &socket);

// Tries again after a shortage.
void resume_accepting(Listener &listener);

// The address of ours that the client has connected to, as far as the table wants to know it.
void learn_local_address(Listener &listener, Connection &connection);

// Whether the connection may go from one identity to another, as the table in force has it of its peer.
void learn_peer(Listener &listener, Connection &connection);

// Reads a socket's own address. False where it has none of the internet's.
bool read_local_address(int socket, struct ListeningSocket &into);

} // namespace itk2::listener
