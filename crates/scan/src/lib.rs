//! Discovery, probing, judging and storing as one stream; resume and back-pressure.
