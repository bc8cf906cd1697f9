# The image contains a single binary, which includes CA roots and time zones. hack/image builds both.
FROM scratch
COPY healthrecords /healthrecords
USER 65532:65532
ENTRYPOINT ["/healthrecords"]
