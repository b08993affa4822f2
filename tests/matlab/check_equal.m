function check_equal(got, wanted)
%CHECK_EQUAL  Fail unless class, size and values agree.
if ~strcmp(class(got), class(wanted)) || ~isequal(size(got), size(wanted)) || ~isequal(got, wanted)
  error('got %s [ %s], wanted %s [ %s]\n%s', class(got), sprintf('%d ', size(got)), class(wanted), ...
    sprintf('%d ', size(wanted)), evalc('got, wanted'));
end
end
