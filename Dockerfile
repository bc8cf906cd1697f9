# The image of the one binary; hack/image builds it. CA roots and time zones are compiled into the binary.
FROM scratch
COPY healthrecords /healthrecords
USER 65532:65532
ENTRYPOINT ["/healthrecords"]
