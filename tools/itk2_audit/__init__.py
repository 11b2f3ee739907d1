"""itk2-audit: looks at a running server from outside, in /proc and the kernel's tables of sockets, and says which of
its promises hold. It shares no code with the server, and believes nothing that a process says of itself.
"""
