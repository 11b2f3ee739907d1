"""itk2-migrate: what identity each virtual host has, what it would have under mpm-itk2, and the way there.

Only the standard library, and nothing newer than Python 3.6: it runs on the machines that are to be moved.
"""
