function check_close(got, wanted, tolerance)
%CHECK_CLOSE  Fail unless sizes agree and values do within a tolerance.
if ~isequal(size(got), size(wanted))
  error('got size [ %s], wanted [ %s]', sprintf('%d ', size(got)), sprintf('%d ', size(wanted)));
end
worst = max(abs(double(got(:)) - double(wanted(:))));
if worst > tolerance
  error('off by %g', worst);
end
end
