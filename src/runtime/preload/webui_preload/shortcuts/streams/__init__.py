"""What a streamed token need not cost; docs/speed.md has the figures.

take        looks whether Open WebUI is the one that is known, and puts the rest in its place
chats       which answers are read with their tokens together: those of chats, unless somebody counts or filters
answer      reads such an answer, and waits for more tokens where the worker is busy
pieces      which lines of an upstream are nothing but a piece of text, and the line that joins them
pace        how long tokens may wait for each other: not at all where the worker is idle
pipe        one connection to Redis, whose commands go out together
rooms       events to the rooms of socket.io, through the pipe
appends     the text that an answer has so far, through the pipe
"""
